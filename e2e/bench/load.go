package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// warmUp is the part of a measurement, its start, that is not counted.
const warmUp = 10

// sample is what one measurement found.
type sample struct {
	perSecond float64
	p50, p99  time.Duration
	cpu       time.Duration // of the process that does the work, for one
}

// A target is what is loaded.
type target struct {
	pid int // of the process that does the work
	// open makes a worker: what it does again and again, and how it ends.
	open func() (do func() error, end func(), err error)
}

// load runs workers for a while, each doing one thing after the other.
func load(ctx context.Context, t target, workers int, d time.Duration) (sample, error) {
	dos := make([]func() error, workers)
	for i := range dos {
		do, end, err := t.open()
		if err != nil {
			return sample{}, err
		}
		defer end()
		dos[i] = do
	}
	var (
		group sync.WaitGroup
		took  = make([][]time.Duration, workers)
		errs  = make([]error, workers)
		begin = time.Now().Add(d / warmUp)
		stop  = begin.Add(d)
	)
	used, err := cpuTime(t.pid)
	if err != nil {
		return sample{}, err
	}
	for i, do := range dos {
		took[i] = make([]time.Duration, 0, 1<<14)
		group.Go(func() { took[i], errs[i] = work(ctx, do, took[i], begin, stop) })
	}
	group.Wait()
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return sample{}, err
	}
	all, err := cpuTime(t.pid)
	if err != nil {
		return sample{}, err
	}
	s, err := summary(slices.Concat(took...), d)
	s.cpu = time.Duration(float64(all-used) / (s.perSecond * (d + d/warmUp).Seconds()))
	return s, err
}

// work does one thing after the other and notes how long those took that ended
// between begin and stop; one at least, so that a machine that is busy otherwise
// gives a poor figure and not none.
func work(ctx context.Context, do func() error, took []time.Duration, begin, stop time.Time) ([]time.Duration, error) {
	for last := time.Now(); ; {
		if err := do(); err != nil {
			return took, err
		}
		now := time.Now()
		over := now.After(stop)
		if now.After(begin) && (!over || len(took) == 0) {
			took = append(took, now.Sub(last))
		}
		if over || ctx.Err() != nil {
			return took, nil
		}
		last = now
	}
}

func summary(took []time.Duration, d time.Duration) (sample, error) {
	if len(took) == 0 {
		return sample{}, errors.New("nothing was done in the time of a measurement: make it longer")
	}
	slices.Sort(took)
	at := func(percent int) time.Duration { return took[(len(took)-1)*percent/100] }
	return sample{perSecond: float64(len(took)) / d.Seconds(), p50: at(50), p99: at(99)}, nil
}
