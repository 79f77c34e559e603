package pack

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Limits bound one archive.
type Limits struct {
	// Bytes of the archive, which is about as large as its files together, and Files, directories and links among them.
	Bytes int64
	Files int
}

// TooLargeError means that a directory is over the limits, in words that are fit for a condition.
type TooLargeError struct {
	// Limits that were set.
	Limits Limits
	// Largest is the largest file that was met and Size what it has, if it was the bytes that were too many.
	Largest string
	Size    int64
}

// Error says what is too large and what to do.
func (e *TooLargeError) Error() string {
	const advice = "; keep what the program does not need out of the source, or raise the manager's limit with"
	if e.Largest == "" {
		return fmt.Sprintf("the source has more than %d files%s --artifact-max-files", e.Limits.Files, advice)
	}
	return fmt.Sprintf("the source has more than %s of files, the largest found being %.200q with %s%s --artifact-max-size",
		bytes(e.Limits.Bytes), e.Largest, bytes(e.Size), advice)
}

// bytes are written as in a Kubernetes object.
func bytes(n int64) string {
	const kibi = 1 << 10
	for unit := int64(1 << 40); unit >= kibi; unit /= kibi {
		if n >= unit*10 || n >= unit && n%unit == 0 {
			// Rounded down to the unit: nobody wants ten digits.
			n -= n % unit
			break
		}
	}
	return resource.NewQuantity(n, resource.BinarySI).String()
}

// InvalidError means that a directory has something that cannot be in a source, in words that are fit for a condition.
type InvalidError struct {
	// Path of what is wrong, from the directory, and the Problem with it.
	Path, Problem string
}

// Error says what is wrong where.
func (e *InvalidError) Error() string {
	return fmt.Sprintf("%.200q in the source %s", e.Path, e.Problem)
}
