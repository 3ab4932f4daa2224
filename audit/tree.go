package audit

import (
	"bytes"
	"fmt"
	"io"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is a Merkle tree that only grows: its right edge, which is all that
// appending and the root need.
type tree struct {
	size int64
	// edge[l] is the last complete subtree of 2^l records. It is current where
	// bit l of size is set, and nobody asks for it where it is not.
	edge [63]tlog.Hash
}

// ReadHashes implements tlog.HashReader for the hashes on the edge.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, _ := tlog.SplitStoredHashIndex(index)
		hashes[i] = t.edge[level]
	}
	return hashes, nil
}

// add appends a record and returns the hashes that it stores, as
// tlog.StoredHashesForRecordHash gives them: its own and those of the subtrees
// that it completes, one for each bit that is set at the end of size.
func (t *tree) add(leaf tlog.Hash) []tlog.Hash {
	completes := bits.TrailingZeros64(^uint64(t.size))
	hashes := make([]tlog.Hash, 1, 1+completes)
	hashes[0] = leaf
	for level := range completes {
		hashes = append(hashes, tlog.NodeHash(t.edge[level], hashes[level]))
	}
	copy(t.edge[:], hashes)
	t.size++
	return hashes
}

// root is the hash of the whole tree.
func (t *tree) root() tlog.Hash {
	h, err := tlog.TreeHash(t.size, t)
	if err != nil {
		panic(err) // ReadHashes above returns none
	}
	return h
}

// readTree takes the edge of a tree of that size from a hashes file.
func readTree(hashes io.ReaderAt, size int64) (tree, error) {
	t := tree{size: size}
	for rest := uint64(size); rest != 0; rest &= rest - 1 {
		level := bits.TrailingZeros64(rest)
		h, err := readHash(hashes, tlog.StoredHashIndex(level, size>>level-1))
		if err != nil {
			return t, err
		}
		t.edge[level] = h
	}
	return t, nil
}

func readHash(hashes io.ReaderAt, index int64) (h tlog.Hash, err error) {
	if _, err := hashes.ReadAt(h[:], index*tlog.HashSize); err != nil {
		return h, fmt.Errorf("hash %d: %w", index, err)
	}
	return h, nil
}

// established returns how many records the hashes file proves to have been
// durable: up to the last of its hashes that is there, but at least from. Space
// that a power cut left unwritten reads as zeros.
func established(hashes io.ReaderAt, length, from int64) (int64, error) {
	buf := make([]byte, 1024*tlog.HashSize)
	// Backwards, since the last hash decides and is usually the last in the file.
	first := tlog.StoredHashCount(from)
	for end := length / tlog.HashSize; end > first; {
		start := max(first, end-1024)
		b := buf[:(end-start)*tlog.HashSize]
		if _, err := hashes.ReadAt(b, start*tlog.HashSize); err != nil {
			return 0, err
		}
		for ; end > start; end-- {
			if !isZero(b[(end-1-start)*tlog.HashSize:][:tlog.HashSize]) {
				level, n := tlog.SplitStoredHashIndex(end - 1)
				return (n + 1) << level, nil
			}
		}
	}
	return from, nil
}

var zeroHash tlog.Hash

func isZero(hash []byte) bool { return bytes.Equal(hash, zeroHash[:]) }
