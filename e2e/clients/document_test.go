package clients_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

var (
	// A client and its version in docs/clients.md: `github.com/x/y` v1.2.3.
	documented = regexp.MustCompile("`([^`\\s]+)` (v?\\d+(?:\\.[\\w+-]+)+)")
	testName   = regexp.MustCompile(`\bTest[A-Z]\w*`)
	testFunc   = regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(t `)
)

// TestDocument: docs/clients.md names what is run here, all of it, with the
// versions that the module files and package.json hold, and every test.
func TestDocument(t *testing.T) {
	text := read(t, "../../docs/clients.md")
	versions := pinned(t)
	told := make(map[string]bool)
	for _, m := range documented.FindAllStringSubmatch(text, -1) {
		told[m[1]] = true
		if versions[m[1]] != m[2] {
			t.Errorf("docs/clients.md has %s %s, and %q is used", m[1], m[2], versions[m[1]])
		}
	}
	for client := range versions {
		if !told[client] && client != "golang.org/x/mod" {
			t.Errorf("docs/clients.md does not tell of %s", client)
		}
	}

	tests := testFunc.FindAllStringSubmatch(source(t), -1)
	for _, m := range tests {
		if m[1] != t.Name() && !slices.Contains(testName.FindAllString(text, -1), m[1]) {
			t.Errorf("docs/clients.md does not name %s", m[1])
		}
	}
	for _, name := range testName.FindAllString(text, -1) {
		if !slices.ContainsFunc(tests, func(m []string) bool { return m[1] == name }) {
			t.Errorf("docs/clients.md names %s, which there is not", name)
		}
	}
}

// pinned are the programs, modules and packages that the tests name themselves.
func pinned(t *testing.T) map[string]string {
	t.Helper()
	versions := make(map[string]string)
	for _, name := range []string{"go.mod", "sops.mod", "cosign.mod"} {
		file, err := modfile.Parse(name, []byte(read(t, name)), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range file.Require {
			ofTool := slices.ContainsFunc(file.Tool, func(tool *modfile.Tool) bool { return strings.HasPrefix(tool.Path, r.Mod.Path+"/") })
			if !r.Indirect || ofTool {
				versions[r.Mod.Path] = r.Mod.Version
			}
		}
	}
	var packages struct{ Dependencies map[string]string }
	if err := json.Unmarshal([]byte(read(t, "js/package.json")), &packages); err != nil {
		t.Fatal(err)
	}
	for name, version := range packages.Dependencies {
		versions[name] = version
	}
	return versions
}

// source is the text of all tests.
func source(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
