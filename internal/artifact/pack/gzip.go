package pack

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

const (
	// largestBlock is the most that a stored block can hold.
	largestBlock = 1<<16 - 1
	// blockHeader is how many bytes come before it.
	blockHeader = 5
)

// stored writes gzip without compression, as blocks that are all full but for the last one and an empty one that ends
// them. What a compressor makes of the same bytes changes with its version, and so does where the library's own writer
// begins a stored block; a digest has to stay.
type stored struct {
	to io.Writer
	// block has room for its header in front.
	block []byte
	sum   uint32
	size  uint32
}

// newStored writes the header.
func newStored(to io.Writer) (*stored, error) {
	const deflate, unknownSystem = 8, 255
	if _, err := to.Write([]byte{0x1f, 0x8b, deflate, 0, 0, 0, 0, 0, 0, unknownSystem}); err != nil {
		return nil, err
	}
	return &stored{to: to, block: make([]byte, blockHeader, blockHeader+largestBlock)}, nil
}

// Write takes bytes in and writes what fills a block.
func (s *stored) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		taken := min(len(p), cap(s.block)-len(s.block))
		s.block = append(s.block, p[:taken]...)
		s.sum = crc32.Update(s.sum, crc32.IEEETable, p[:taken])
		s.size += uint32(taken)
		if n, p = n+taken, p[taken:]; len(s.block) == cap(s.block) {
			if err := s.flush(false); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// Close writes what is left and the trailer. It does not close what is below.
func (s *stored) Close() error {
	if len(s.block) > blockHeader {
		if err := s.flush(false); err != nil {
			return err
		}
	}
	if err := s.flush(true); err != nil {
		return err
	}
	trailer := binary.LittleEndian.AppendUint32(nil, s.sum)
	_, err := s.to.Write(binary.LittleEndian.AppendUint32(trailer, s.size))
	return err
}

// flush writes the block.
func (s *stored) flush(last bool) error {
	length := uint16(len(s.block) - blockHeader)
	s.block[0] = 0
	if last {
		s.block[0] = 1
	}
	binary.LittleEndian.PutUint16(s.block[1:], length)
	binary.LittleEndian.PutUint16(s.block[3:], ^length)
	_, err := s.to.Write(s.block)
	s.block = s.block[:blockHeader]
	return err
}
