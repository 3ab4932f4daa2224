package command

import "runtime/debug"

// gcPercent lets the heap grow to five times what is in use before it is
// collected. keyd keeps a few megabytes and leaves some 15 kB of garbage behind
// each request, so with Go's 100 it would collect dozens of times a second and
// spend about a sixth of its processor time on that under load.
const gcPercent = 400

// tune sets the garbage collector, unless GOGC does.
func tune(env func(string) string) {
	if env("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
