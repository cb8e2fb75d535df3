// SPDX-License-Identifier: Apache-2.0

package layer

// Limits bound what one layer may cost. They are far above what real images need: they stop bombs, not big images.
type Limits struct {
	// Bytes of uncompressed archive, and of file content with the holes of sparse files counted in.
	Bytes int64
	// Ratio of uncompressed to compressed bytes, checked once RatioFrom uncompressed bytes have come. gzip ends at 1032; a
	// zstd frame can give 30,000.
	Ratio, RatioFrom int64
	// Entries of the archive.
	Entries int
	// Notes are what the Summary lists: implied directories, directories with whiteouts, links to lower layers.
	Notes int
}

// DefaultLimits returns the limits for layers of unknown origin.
func DefaultLimits() Limits {
	return Limits{Bytes: 256 << 30, Ratio: 200, RatioFrom: 1 << 30, Entries: 4 << 20, Notes: 1 << 18}
}

const (
	// maxPath is the kernel's PATH_MAX without its NUL.
	maxPath = 4095
	// maxName is the kernel's NAME_MAX.
	maxName = 255
	// maxWindow bounds a zstd frame's window: what zstd --long=27 makes, the most that the zstd tool itself takes unasked.
	maxWindow = 128 << 20
)
