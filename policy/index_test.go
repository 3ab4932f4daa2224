package policy_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/keyd-hsm/keyd/policy"
)

// The index by action is filled while decisions run, from many goroutines, and
// with more actions than it keeps.
func TestManyActionsAtOnce(t *testing.T) {
	_, in := situation{key: named("Allow", root), identity: statement("Allow", `"Action":["kms:A1*","kms:B7"]`)}.ask(t)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for i := range 400 {
				action := fmt.Sprintf("kms:%c%d", 'A'+rune(i%2), i/2)
				want := policy.ImplicitlyDenied
				if action == "kms:B7" || action[:6] == "kms:A1" {
					want = policy.Allowed
				}
				if got := policy.Decide(situation{action: action}.request(), in).Verdict; got != want {
					t.Errorf("%s: %v, want %v", action, got, want)
				}
			}
		})
	}
	wait.Wait()
}
