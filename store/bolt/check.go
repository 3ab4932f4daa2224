package bolt

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"

	bbolt "go.etcd.io/bbolt"
)

// maxFindings bounds how many faults Check lists.
const maxFindings = 10

// Check reads the whole file and reports, as ErrDamaged, pages that are lost,
// used twice or out of order. Updates wait meanwhile.
func (d *DB) Check(ctx context.Context) error {
	release, err := d.lockWriter(ctx)
	if err != nil {
		return err
	}
	defer release()
	return guard(func() error {
		return d.bolt.View(func(btx *bbolt.Tx) error {
			// bbolt checks on a goroutine of its own, where an unreadable page
			// would end the process: so every page is read here first.
			if err := readAll(ctx, btx); err != nil {
				return err
			}
			return findings(btx)
		})
	})
}

func readAll(ctx context.Context, btx *bbolt.Tx) error {
	c := btx.Bucket(stateBucket).Cursor()
	var last []byte
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if string(k) <= string(last) {
			return fmt.Errorf("%w: keys out of order", ErrDamaged)
		}
		crc32.ChecksumIEEE(v) // touches every byte
		last = append(last[:0], k...)
	}
	return nil
}

func findings(btx *bbolt.Tx) error {
	var errs []error
	more := 0
	for err := range btx.Check() { // to its end, or its goroutine would stay
		if len(errs) < maxFindings {
			errs = append(errs, fmt.Errorf("%w: %w", ErrDamaged, err))
		} else {
			more++
		}
	}
	if more > 0 {
		errs = append(errs, fmt.Errorf("and %d more", more))
	}
	return errors.Join(errs...)
}

// Stats says how large the file is. Cheap.
type Stats struct {
	FileBytes int64 // on the medium
	FreeBytes int64 // of those, in pages that wait for reuse
}

// Stats reports the size of the state as of the last Update.
func (d *DB) Stats() (Stats, error) {
	info, err := d.file.Stat()
	if err != nil {
		return Stats{}, err
	}
	return Stats{info.Size(), int64(d.bolt.Stats().FreeAlloc)}, nil
}
