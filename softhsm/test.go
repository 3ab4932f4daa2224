package softhsm

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/keyd-hsm/keyd/hsm/pkcs11"
)

// TB is the part of testing.TB that Test needs; programs that import this
// package do not link package testing for it.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// shared is the one directory of a test process. Every test has its own token
// in it, for the configuration is the process's.
var shared struct {
	sync.Mutex
	token *Token // the model of each test's: directory, module and PIN
	users int
}

// Test makes a token for one test and says how to open it. Tests may run in
// parallel and hold several tokens, each with its own label: they lie in one
// directory, which is removed when the last test that uses it ends. Close what
// you open in the test, or in a Cleanup registered after this call.
//
// A test that does harm to the module or the directory (see [Token.Dir]) must
// not run in parallel with others.
func Test(t TB) *Token {
	t.Helper()
	k, err := testToken()
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if err := leaveShared(); err != nil {
			t.Fatalf("SoftHSM2 directory: %v", err)
		}
	})
	return k
}

func testToken() (_ *Token, err error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.users == 0 {
		if err := openShared(); err != nil {
			return nil, err
		}
	}
	shared.users++
	defer func() {
		if err != nil {
			shared.users--
		}
	}()
	t := *shared.token
	label := "test-" + rand.Text()[:10]
	t.Info, err = pkcs11.InitToken(context.Background(), t.Module, label, t.pin, t.pin)
	return &t, err
}

// openShared makes the directory. The caller has the lock.
func openShared() error {
	module, err := FindModule()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "keyd-softhsm-")
	if err != nil {
		return err
	}
	if err := prepare(dir); err != nil {
		return err
	}
	if err := use(module, dir); err != nil {
		return err
	}
	pin, err := newPIN(filepath.Join(dir, pinFile))
	if err != nil {
		return err
	}
	shared.token = &Token{Dir: dir, Module: module, pin: pin}
	return nil
}

// leaveShared removes the directory after its last user.
func leaveShared() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.users--; shared.users > 0 {
		return nil
	}
	if pkcs11.InUse(shared.token.Module) {
		return fmt.Errorf("%s: a test left its token open", shared.token.Dir)
	}
	return os.RemoveAll(shared.token.Dir)
}
