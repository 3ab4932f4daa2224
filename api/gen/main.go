// Gen writes the Go packages of package api from the service models in
// api/model: shapes, enums, constraints and operations.
//
// It is run by `go generate ./api`, in the directory api, or by hand with
// -dir. The same models give the same bytes, and a test beside it compares them
// with what is in the tree. A model stays as published; what it lacks stands in
// a small file NAME-additions.json next to it, merged by [load].
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// services are the models and the packages made of them.
var services = []struct{ model, pkg string }{
	{"kms", "kmsapi"},
	{"iam", "iamapi"},
	{"sts", "stsapi"},
	{"cloudtrail", "trailapi"},
	{"mfa", "mfaapi"},
}

func main() {
	dir := flag.String("dir", ".", "the directory of package api")
	flag.Parse()
	if err := run(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run generates everything and writes it below dir.
func run(dir string) error {
	files, err := generate(filepath.Join(dir, "model"))
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(path, files[name], 0o600); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the content of each generated file, by its path below api.
func generate(modelDir string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for _, s := range services {
		m, err := load(modelDir, s.model)
		if err != nil {
			return nil, fmt.Errorf("model %s: %w", s.model, err)
		}
		g := &generator{model: m, pkg: s.pkg, source: s.model}
		for name, emit := range map[string]func(*writer) error{
			"zz_shapes.go":      g.shapes,
			"zz_enums.go":       g.enums,
			"zz_constraints.go": g.constraints,
			"zz_operations.go":  g.operations,
			"zz_errors.go":      g.errors,
			"zz_secrets.go":     g.secrets,
		} {
			text, err := g.file(emit)
			if err != nil {
				return nil, fmt.Errorf("model %s: %s: %w", s.model, name, err)
			}
			if text != nil {
				files[s.pkg+"/"+name] = text
			}
		}
	}
	return files, nil
}
