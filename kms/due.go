package kms

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

// sortable is RFC 3339 with a fixed number of digits, so that text order is
// time order. Always UTC.
const sortable = "2006-01-02T15:04:05.000Z"

// The indexes of what is to be done at a time hold records without value, whose
// path begins with that time: index, date, region, key id and, for one material
// of a key, its number.
func duePath(index string, at time.Time, k *Key) string {
	return index + at.UTC().Format(sortable) + "/" + k.Region + "/" + k.ID
}

// DueKey names a key that something is due for, or one of its materials.
type DueKey struct {
	Region, ID string
	Number     uint32 // of the material; 0 for the key itself
}

// due lists at most limit entries of an index whose time has come, the oldest
// first.
func (s *Service) due(ctx context.Context, index string, limit int) ([]DueKey, error) {
	now := s.now()
	var due []DueKey
	err := s.db.View(ctx, func(tx Tx) error {
		for path := range tx.Scan(index, "") {
			at, d, err := parseDue(strings.TrimPrefix(path, index))
			if err != nil {
				return errors.New("record " + path + ": malformed")
			}
			if at.After(now) || len(due) == limit {
				return nil
			}
			due = append(due, d)
		}
		return nil
	})
	return due, err
}

func parseDue(entry string) (time.Time, DueKey, error) {
	parts := strings.Split(entry, "/")
	if len(parts) < 3 || len(parts) > 4 {
		return time.Time{}, DueKey{}, errors.New("not of three or four parts")
	}
	at, err := time.Parse(sortable, parts[0])
	d := DueKey{Region: parts[1], ID: parts[2]}
	if err == nil && len(parts) == 4 {
		var n uint64
		n, err = strconv.ParseUint(parts[3], 10, 32)
		d.Number = uint32(n)
	}
	return at, d, err
}

// moveDue replaces an entry of an index; "" stands for none.
func moveDue(tx Tx, from, to string) error {
	if from == to {
		return nil
	}
	if from != "" {
		if err := tx.Delete(from); err != nil {
			return err
		}
	}
	if to == "" {
		return nil
	}
	return tx.Put(to, nil)
}
