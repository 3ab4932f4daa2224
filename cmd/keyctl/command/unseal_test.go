package command

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestUnsealCodes: keyctl knows each code that the specification names.
func TestUnsealCodes(t *testing.T) {
	spec, err := os.ReadFile("../../../docs/spec/piv-token.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(spec), "Codes: ")
	list, _, _ = strings.Cut(list, ".\n")
	codes := regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(list, -1)
	if !found || len(codes) != len(unsealFailures) {
		t.Fatalf("the specification names %d codes, keyctl knows %d", len(codes), len(unsealFailures))
	}
	for _, c := range codes {
		if _, known := unsealFailures[c[1]]; !known {
			t.Errorf("keyctl does not know %s", c[1])
		}
	}
}
