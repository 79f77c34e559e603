package operation

// What an agent takes of one archive at most, so that a hostile one does not fill its pod: the bytes of the archive and of
// its files, and the files.
const (
	MaxArchiveBytes = 4 << 30
	MaxArchiveFiles = 1 << 20
)

// MaxSnapshotBytes is what a snapshot of a state may have when it is compressed. It has to fit into a Secret, which holds
// 1 MiB.
const MaxSnapshotBytes = 1000 << 10
