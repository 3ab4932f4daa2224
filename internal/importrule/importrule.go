// Package importrule holds the rule of who may import whom, and checks a tree
// of Go files against it.
//
// Most readers need one thing: the table in table.go. Its test checks this
// repository. It parses the files itself: a test that asks `go list` passes
// from the test cache after a violation elsewhere, while go test knows which
// files and directories a test has read, and runs it again when they change.
package importrule

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// module is the import path of the repository's top.
const module = "github.com/keyd-hsm/keyd"

// Check reads every Go file in tree and returns what breaks the rule, a line
// for each, in the order of the files. Directories named testdata, and those
// that begin with a dot or underscore, are left out, as the go command does.
func Check(tree fs.FS) (violations []string, err error) {
	err = fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := entry.Name(); base == "testdata" || name != "." && strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		imports, err := read(tree, name)
		if err != nil {
			return err
		}
		violations = append(violations, check(name, imports)...)
		return nil
	})
	return violations, err
}

// read returns the import paths of a file.
func read(tree fs.FS, name string) ([]string, error) {
	src, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, spec := range file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		paths = append(paths, p)
	}
	return paths, nil
}

// check holds one file against the table.
func check(name string, imports []string) (violations []string) {
	dir, test := path.Dir(name), strings.HasSuffix(name, "_test.go")
	from, known := roomOf(dir)
	if !known {
		return []string{fmt.Sprintf("%s: %s is no room of the table", name, dir)}
	}
	say := func(format string, args ...any) {
		violations = append(violations, name+": "+fmt.Sprintf(format, args...))
	}
	for _, p := range imports {
		inner, ours := strings.CutPrefix(p, module+"/")
		if ours {
			to, known := roomOf(inner)
			switch {
			case !known:
				say("imports %s, which is in no room of the table", p)
			case !mayImport(from, to, test):
				say("%s may not import %s", from, to)
			}
			continue
		}
		for _, k := range kept {
			if within(p, k.path) && !slices.Contains(k.rooms, from) && (!test || !k.testsFree) {
				say("%s may not import %s: only %s may", from, p, strings.Join(k.rooms, ", "))
			}
		}
	}
	return violations
}

// roomOf returns the room that a directory belongs to: the longest name in the
// table that is the directory or above it.
func roomOf(dir string) (name string, known bool) {
	for room := range rooms {
		if within(dir, room) && len(room) > len(name) {
			name, known = room, true
		}
	}
	return name, known
}

func mayImport(from, to string, test bool) bool {
	if from == to {
		return true
	}
	for _, list := range [][]string{rooms[from], testsAlso} {
		if slices.Contains(list, to) || slices.Contains(list, anything) {
			return true
		}
		if !test {
			break
		}
	}
	return false
}

// within reports whether dir is top or below it.
func within(dir, top string) bool {
	return dir == top || strings.HasPrefix(dir, top+"/")
}
