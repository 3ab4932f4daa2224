package audit

import "os"

// Tuning is what tests set otherwise; zero fields keep the standard.
type Tuning struct {
	MaxSegment, CheckpointEvery, Ahead int64
	WriteAt                            func(f *os.File, b []byte, off int64) error
	Sync                               func(f *os.File) error
}

func (t Tuning) tuning() tuning {
	tn := standard
	if t.MaxSegment != 0 {
		tn.maxSegment = t.MaxSegment
	}
	if t.CheckpointEvery != 0 {
		tn.checkpointEvery = t.CheckpointEvery
	}
	if t.Ahead != 0 {
		tn.ahead = t.Ahead
	}
	if t.WriteAt != nil {
		tn.writeAt = t.WriteAt
	}
	if t.Sync != nil {
		tn.sync = t.Sync
	}
	return tn
}

func (t Tuning) Create(dir, origin string) (*Log, error) { return t.tuning().create(dir, origin) }
func (t Tuning) Open(dir string) (*Log, Recovery, error) { return t.tuning().open(dir) }

// Standard calls of the seam.
var StandardWriteAt, StandardSync = standard.writeAt, standard.sync
