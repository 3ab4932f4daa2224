package command

import (
	"runtime"
	"runtime/debug"
)

// gcPercent lets the heap grow to five times what is in use before it is
// collected. keyd keeps a few megabytes and leaves some 15 kB of garbage behind
// each request, so with Go's 100 it would collect dozens of times a second and
// spend about a sixth of its processor time on that under load.
const gcPercent = 400

// memoryLimit is where the collector begins to work harder than gcPercent asks, in
// bytes of Go's own memory: with 30,000 cached keys, which is 40 MB, five times what
// is in use would be more than the keys in the token's library take.
const memoryLimit = 96 << 20

// threadsPerCPU counts the goroutines that may run at a time, for each processor.
// A goroutine inside the token's library or a sync of the disk counts as running
// until the scheduler notices that it waits, which takes as long as the call: with
// Go's one for each processor a quarter of the time was lost so ("make bench",
// Encrypt, 64 connections).
const threadsPerCPU = 2

// tune sets the garbage collector and the scheduler, unless GOGC,
// GOMEMLIMIT and GOMAXPROCS do.
func tune(env func(string) string) {
	if env("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if env("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if env("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(threadsPerCPU * runtime.GOMAXPROCS(0))
	}
}
