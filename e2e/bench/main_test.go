package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	keyd "github.com/keyd-hsm/keyd/cmd/keyd/command"
)

// TestMain makes this test program the floor and keyd as well.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == floorCommand {
		exit(serveFloor(os.Stdin, os.Stdout))
	}
	if len(os.Args) > 1 && os.Args[1] == "dev" {
		os.Exit(keyd.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRun measures for a moment. What comes out is not looked at, but that all
// of it does.
func TestRun(t *testing.T) {
	var out strings.Builder
	o := options{keyd: self(t), dir: t.TempDir(), rounds: 2, each: 200 * time.Millisecond, many: 8, keys: 50, out: &out}
	if err := run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"Encrypt 1", "Encrypt 8", "floor of Decrypt 1", "Decrypt 8", "GenerateDataKey 8",
		"token: MAC, cached handle 1", "token: unwrap and MAC 8", "token: Random(32) 8", "token: Generate 1",
		"Benchmark/Encrypt/connections=8", "The mark is",
		"WITH 50 KEYS", "CreateKey", "start-up", "Encrypt, Zipf mix of all",
	} {
		if !slices.ContainsFunc(strings.Split(out.String(), "\n"), func(l string) bool {
			return strings.HasPrefix(strings.Join(strings.Fields(l), " "), line)
		}) {
			t.Errorf("no line begins with %q", line)
		}
	}
	if left, err := os.ReadDir(o.dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestRefused: an answer that is no success is no figure.
func TestRefused(t *testing.T) {
	d, err := startKeyd(t.Context(), self(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	}()
	ops, err := operations(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	// Signed for another path than it is sent to.
	_, err = load(t.Context(), d.target(t.Context(), ops[0].floorRequest), 1, 100*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "InvalidSignatureException") {
		t.Errorf("got %v, want InvalidSignatureException", err)
	}
}

func TestSummary(t *testing.T) {
	var took []time.Duration
	for i := range 101 {
		took = append(took, time.Duration(100-i))
	}
	got, err := summary(took, 2*time.Second)
	if want := (sample{perSecond: 50.5, p50: 50, p99: 99}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if _, err := summary(nil, time.Second); err == nil {
		t.Error("nothing done was taken for a figure")
	}
}

func TestMedian(t *testing.T) {
	if m := median([]float64{5, 1, 3}); m != 3 {
		t.Errorf("median %v, want 3", m)
	}
}
