package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func cpus() int { return runtime.GOMAXPROCS(0) }

// filesystem says what dir is on, from /proc/self/mountinfo (proc(5)): a sync
// costs nothing on a tmpfs, and figures from there are worth as much.
func filesystem(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	point, kind := "", "an unknown filesystem"
	for line := range strings.Lines(string(text)) {
		before, after, _ := strings.Cut(line, " - ")
		fields, source := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(source) < 2 || !below(abs, fields[4]) || len(fields[4]) < len(point) {
			continue
		}
		point, kind = fields[4], source[0]+" ("+source[1]+")"
	}
	if strings.HasPrefix(kind, "tmpfs") || strings.HasPrefix(kind, "ramfs") {
		kind += ", WHICH IS NO DISK: a sync costs nothing there; choose another with -dir"
	}
	return kind, nil
}

// cpuTime is what a process has used of the processors: user and system time of
// /proc/PID/stat, which counts in hundredths of a second. Unlike the time on the
// clock it says little of what else the machine does.
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the program's name, in parentheses; it may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat: %q", pid, text)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * (time.Second / 100), errors.Join(err, err2)
}

func below(path, top string) bool {
	return top == "/" || path == top || strings.HasPrefix(path, top+"/")
}

// join adds what closing says to an error.
func join(err error, closing func() error) error {
	if e := closing(); e != nil {
		return errors.Join(err, fmt.Errorf("at the end: %w", e))
	}
	return err
}
