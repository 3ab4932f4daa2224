package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/audit"
)

// twelve is a closed log of 12 records in several segments.
func twelve(t testing.TB) files {
	l, dir := create(t, audit.Tuning{MaxSegment: 230})
	appendN(t, l, 12)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	fs := snapshot(t, dir)
	if len(fs) < 5 {
		t.Fatalf("only %d files", len(fs))
	}
	return fs
}

// place finds a record: its segment, line and offset.
func (fs files) place(i int) (file string, line int64, offset int) {
	for name, b := range fs {
		if at := bytes.Index(b, append(record(i), '\n')); at >= 0 {
			return name, int64(bytes.Count(b[:at], []byte("\n")) + 1), at
		}
	}
	panic(fmt.Sprintf("record %d is nowhere", i))
}

// TestEveryFlippedByteIsFound flips bits of each byte of each file.
func TestEveryFlippedByteIsFound(t *testing.T) {
	fs := twelve(t)
	dir := fs.write(t, t.TempDir())
	flipped := 0
	for _, name := range slices.Sorted(maps.Keys(fs)) {
		for i := range fs[name] {
			for _, mask := range []byte{0x01, 0xa0} {
				bad := slices.Clone(fs[name])
				bad[i] ^= mask
				if err := os.WriteFile(filepath.Join(dir, name), bad, 0o600); err != nil {
					t.Fatal(err)
				}
				report, err := audit.Verify(dir)
				if name == "checkpoint" && i < len(origin) && err == nil {
					// Still a name: for the caller to compare, until it is signed.
					if report.Origin == origin {
						t.Errorf("flipped origin is not reported")
					}
					continue
				}
				flipped++
				wantFault(t, fs, name, i, err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), fs[name], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d changes found", flipped)
}

// wantFault checks that the fault is where byte i of the file was flipped.
func wantFault(t *testing.T, fs files, name string, i int, err error) {
	t.Helper()
	var fault *audit.Fault
	if !errors.As(err, &fault) || !errors.Is(err, audit.ErrTampered) {
		t.Fatalf("%s, byte %d: %v", name, i, err)
	}
	switch {
	case name == "checkpoint":
		// A larger size looks as if the log had lost its end; so it might have.
		if fault.File != name && !strings.Contains(fault.Why, "ends here") {
			t.Fatalf("checkpoint, byte %d: %v", i, err)
		}
	case name == "hashes":
		if fault.File != name {
			t.Fatalf("hashes, byte %d: %v", i, err)
		}
	default:
		if line := int64(bytes.Count(fs[name][:i], []byte("\n")) + 1); fault.File != name || fault.Line != line {
			t.Fatalf("%s, byte %d in line %d: %v", name, i, line, err)
		}
	}
}

// TestTampering is what somebody might do with an editor.
func TestTampering(t *testing.T) {
	lines := func(b []byte) [][]byte { return bytes.SplitAfter(b, []byte("\n")) }
	editLine := func(i int, edit func(ls [][]byte, at int) [][]byte) func(files) {
		return func(fs files) {
			name, line, _ := fs.place(i)
			fs[name] = bytes.Join(edit(lines(fs[name]), int(line-1)), nil)
		}
	}
	remove := func(ls [][]byte, at int) [][]byte { return slices.Delete(ls, at, at+1) }
	repeat := func(ls [][]byte, at int) [][]byte { return slices.Insert(ls, at+1, ls[at]) }
	swap := func(ls [][]byte, at int) [][]byte { ls[at], ls[at+1] = ls[at+1], ls[at]; return ls }
	insert := func(ls [][]byte, at int) [][]byte { return slices.Insert(ls, at, []byte("{\"forged\":true}\n")) }
	change := func(ls [][]byte, at int) [][]byte { ls[at] = []byte("{\"forged\":true}\n"); return ls }
	blank := func(ls [][]byte, at int) [][]byte { ls[at] = []byte("\n"); return ls }
	first := twelve(t)
	last := first.last()
	tests := []struct {
		name   string
		tamper func(files)
		file   string // "" means where the record of that index was
		index  int64
		why    string
	}{
		{"remove", editLine(1, remove), "", 1, "removed: here stands record 2"},
		{"remove first", editLine(0, remove), "", 0, "removed: here stands record 1"},
		{"remove last", editLine(11, remove), last, 11, "ends here"},
		{"repeat", editLine(1, repeat), "", 2, "record 1 stands here again"},
		{"repeat last", editLine(11, repeat), last, 12, ""},
		{"swap", editLine(0, swap), "", 0, "reordered: here stands record 1"},
		{"insert", editLine(1, insert), "", 1, "inserted"},
		{"change", editLine(1, change), "", 1, "changed"},
		{"blank", editLine(1, blank), "", 1, "not a record"},
		{"remove segment", func(fs files) { name, _, _ := fs.place(5); delete(fs, name) }, "", -1, "segment ends here"},
		{"remove first segment", func(fs files) { name, _, _ := fs.place(0); delete(fs, name) }, "", 0, "missing"},
		{"remove last segment", func(fs files) { delete(fs, last) }, "", -1, "ends here"},
		{"odd segment", func(fs files) { fs["entries-7.jsonl"] = nil }, "entries-7.jsonl", -1, "not the name"},
		{"truncate hashes", func(fs files) { fs["hashes"] = fs["hashes"][:7*32] }, "hashes", 4, "stored hashes"},
		{"empty hashes", func(fs files) { fs["hashes"] = nil }, "hashes", 0, "stored hashes"},
		{"empty checkpoint", func(fs files) { fs["checkpoint"] = nil }, "checkpoint", -1, "not a checkpoint"},
		{"swap segments", func(fs files) {
			a, _, _ := fs.place(0)
			fs[a], fs[last] = fs[last], fs[a]
		}, "", 0, "removed"},
		{"rewrite all but the checkpoint", func(fs files) {
			delete(fs, "hashes")
			forged := forge(t)
			for name := range fs {
				if name != "checkpoint" {
					delete(fs, name)
				}
			}
			cp := fs["checkpoint"]
			maps.Copy(fs, forged)
			fs["checkpoint"] = cp
		}, "checkpoint", 12, "root is not that of the records"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fs := first.clone()
			file := tt.file
			if file == "" && tt.index >= 0 {
				file, _, _ = fs.place(int(tt.index))
			}
			tt.tamper(fs)
			dir := fs.write(t, t.TempDir())
			_, err := audit.Verify(dir)
			var fault *audit.Fault
			if tt.name == "repeat last" {
				// Behind the checkpoint, without a hash: as a crash leaves it.
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.As(err, &fault) || !strings.Contains(fault.Why, tt.why) {
				t.Fatalf("got %v, want %q", err, tt.why)
			}
			if file != "" && fault.File != file || tt.index >= 0 && fault.Index != tt.index {
				t.Fatalf("located at %s, record %d: %v; want %s, record %d", fault.File, fault.Index, err, file, tt.index)
			}
		})
	}
}

// forge is a consistent log of other records.
func forge(t *testing.T) files {
	l, dir := create(t, audit.Tuning{MaxSegment: 230})
	for i := range 12 {
		if _, err := l.Append(record(i + 100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return snapshot(t, dir)
}

// TestOpenRefusesTampering: what Open looks at, it never repairs.
func TestOpenRefusesTampering(t *testing.T) {
	first := twelve(t)
	tests := map[string]func(files){
		"hashes":          func(fs files) { fs["hashes"][14*32] ^= 1 },
		"truncate hashes": func(fs files) { fs["hashes"] = fs["hashes"][:64] },
		"last record":     func(fs files) { b := fs[fs.last()]; b[len(b)-3] ^= 1 },
		"last line end":   func(fs files) { b := fs[fs.last()]; b[len(b)-1] = ' ' },
		"truncated":       func(fs files) { fs[fs.last()] = fs[fs.last()][:20] },
		"root": func(fs files) {
			fs["checkpoint"] = bytes.Replace(fs["checkpoint"], []byte("\n12\n"), []byte("\n11\n"), 1)
		},
		"last segment": func(fs files) { delete(fs, fs.last()) },
		"position": func(fs files) {
			fs["checkpoint"] = bytes.Replace(fs["checkpoint"], []byte("jsonl "), []byte("jsonl 1"), 1)
		},
		"segment gap": func(fs files) { fs["entries-00000000000000000099.jsonl"] = []byte("{}\n") },
		"malformed":   func(fs files) { fs["checkpoint"] = []byte("hello") },
	}
	for name, tamper := range tests {
		t.Run(name, func(t *testing.T) {
			fs := first.clone()
			tamper(fs)
			if maps.EqualFunc(fs, first, bytes.Equal) {
				t.Fatal("nothing was changed")
			}
			dir := fs.write(t, t.TempDir())
			_, _, err := audit.Open(dir)
			var fault *audit.Fault
			if !errors.As(err, &fault) || fault.File == "" {
				t.Fatalf("open: %v", err)
			}
			if after := snapshot(t, dir); !maps.EqualFunc(fs, after, bytes.Equal) {
				t.Error("open changed the files that it refused")
			}
		})
	}
}

func TestVerifyOfNothing(t *testing.T) {
	if _, err := audit.Verify(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(string(twelve(f)["checkpoint"]))
	f.Add("o\n0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nposition entries-00000000000000000000.jsonl 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := audit.ParseCheckpoint(text)
		if err == nil && c.String() != text {
			t.Fatalf("%q was read as %q", text, c)
		}
	})
}

// FuzzOpen gives Verify and Open arbitrary files. What Open takes, Verify takes
// afterwards; neither panics.
func FuzzOpen(f *testing.F) {
	fs := twelve(f)
	all := bytes.Join([][]byte{record(0), record(1), nil}, []byte("\n"))
	empty := "o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nposition entries-00000000000000000000.jsonl 0\n"
	f.Add(string(fs["checkpoint"]), fs["hashes"], fs["entries-00000000000000000000.jsonl"])
	f.Add(empty, []byte{}, all)
	huge := "o\n1125899906842624\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nposition entries-00000000000000000000.jsonl 1125899906842624\n"
	f.Add(huge, make([]byte, 96), all)
	f.Add(empty, make([]byte, 96), append(all, "torn"...))
	f.Fuzz(func(t *testing.T, checkpoint string, hashes, entries []byte) {
		dir := files{"checkpoint": []byte(checkpoint), "hashes": hashes, "entries-00000000000000000000.jsonl": entries}.write(t, t.TempDir())
		_, before := audit.Verify(dir)
		l, _, err := audit.Open(dir)
		if err != nil {
			return
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, after := audit.Verify(dir); before == nil && after != nil {
			t.Fatalf("open and close spoiled the log: %v", after)
		}
	})
}
