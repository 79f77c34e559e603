package client

import (
	"fmt"
)

// budget is what one checkout has used of the limits, submodules and files in LFS included.
type budget struct {
	limits Limits
	files  int
	bytes  int64
	// links are the symbolic links that were made.
	links []string
}

const narrow = "name the directories that the program needs in spec.repoPaths, or ask the administrator for more"

// count takes the number of files.
func (b *budget) count(files []entry) error {
	b.files += len(files)
	if b.files > b.limits.Files {
		return NewError(TooLarge, fmt.Sprintf("the checkout has more than %d files: %s", b.limits.Files, narrow), nil)
	}
	return nil
}

// weigh takes the sizes of files.
func (b *budget) weigh(files []entry) error {
	for _, file := range files {
		if err := b.take(file.path, file.size); err != nil {
			return err
		}
	}
	return nil
}

// take takes the size of one file.
func (b *budget) take(path string, bytes int64) error {
	if bytes > b.limits.FileBytes {
		return NewError(TooLarge, fmt.Sprintf("the file %q has %s, and one file may have %s: %s",
			clip(path), size(bytes), size(b.limits.FileBytes), narrow), nil)
	}
	b.bytes += bytes
	if b.bytes > b.limits.CheckoutBytes {
		return NewError(TooLarge, fmt.Sprintf("the files of the checkout have more than %s: %s", size(b.limits.CheckoutBytes), narrow), nil)
	}
	return nil
}
