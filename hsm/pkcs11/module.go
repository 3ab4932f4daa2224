package pkcs11

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// modules holds every module that this process has loaded. C_Initialize and
// C_Finalize act on the whole process, so all Tokens of one module share one
// entry. Modules stay loaded: several crash when they are unloaded.
var modules = struct {
	sync.Mutex
	byPath map[string]*module
}{byPath: make(map[string]*module)}

// module is one loaded PKCS#11 library.
type module struct {
	path string
	*p11.Ctx

	// turn is held by whoever opens, recovers or closes a Token, or
	// initialises or finalises the library: one at a time. It guards what follows.
	turn   chan struct{}
	tokens map[*Token]struct{}
	// ours: the library was initialised by us, so we may finalise it.
	ours bool

	// making is held for reading by each session in which a key pair is made,
	// and for writing by whoever finalises the library.
	making sync.RWMutex
}

// load returns the module of a file, loading it the first time. Two names of
// one file are one module, as they are for the dynamic linker.
func load(path string) (*module, error) {
	if path == "" {
		return nil, fmt.Errorf("pkcs11 module: no path given")
	}
	name := path
	if strings.ContainsRune(path, filepath.Separator) {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return nil, fmt.Errorf("pkcs11 module: %w", err)
		}
		if name, err = filepath.Abs(real); err != nil {
			return nil, fmt.Errorf("pkcs11 module: %w", err)
		}
		if i, err := os.Stat(name); err != nil || !i.Mode().IsRegular() {
			return nil, fmt.Errorf("pkcs11 module %s: not a file", path)
		}
	}
	modules.Lock()
	defer modules.Unlock()
	if m := modules.byPath[name]; m != nil {
		return m, nil
	}
	c := p11.New(name)
	if c == nil {
		return nil, fmt.Errorf("pkcs11 module %s: not a PKCS#11 library for this system", path)
	}
	m := &module{path: path, Ctx: c, turn: make(chan struct{}, 1), tokens: make(map[*Token]struct{})}
	modules.byPath[name] = m
	return m, nil
}

// take waits for the module's turn; give ends it.
func (m *module) take(ctx context.Context) error {
	select {
	case m.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

func (m *module) give() { <-m.turn }

// initialize makes the library ready, if it is not. The caller has the turn.
func (m *module) initialize() error {
	if _, err := m.GetInfo(); err == nil {
		return nil
	}
	err := m.Initialize()
	if is(err, p11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		return nil
	}
	if err != nil {
		return called("C_Initialize", err)
	}
	m.ours = true
	return nil
}

// finalize lets the library go when no Token uses it any more. One that
// something else in the process initialised is left to it.
func (m *module) finalize() error {
	if len(m.tokens) > 0 || !m.ours {
		return nil
	}
	resume, err := m.stopMaking(makingTime)
	if err != nil {
		return err
	}
	defer resume()
	m.ours = false
	return called("C_Finalize", m.Finalize())
}

// restart finalises and initialises the library on behalf of t: what helps
// when a module (SoftHSM2 is one) never looks again at a token that it has
// seen vanish. It ends the sessions of every Token of the module, so it is
// refused while another one works; and it waits until no call is inside the
// library, because to finalise under one is a crash.
func (m *module) restart(t *Token) error {
	if !m.ours {
		return fmt.Errorf("pkcs11 module %s: not restarted: something else in this process initialised it", m.path)
	}
	for other := range m.tokens {
		if other == t {
			continue
		}
		if e := other.epoch.Load(); e != nil && !e.over() {
			if _, ok, err := read(m.Ctx, e.slot); ok && err == nil {
				return fmt.Errorf("pkcs11 module %s: not restarted: token %v works", m.path, other.info)
			}
		}
	}
	resume, err := m.stopMaking(drainTime)
	if err != nil {
		return err
	}
	defer resume()
	for other := range m.tokens {
		if e := other.epoch.Load(); e != nil {
			if err := e.end(drainTime); err != nil {
				return err
			}
			e.forgetSessions()
		}
	}
	if err := m.Finalize(); err != nil && !is(err, p11.CKR_CRYPTOKI_NOT_INITIALIZED) {
		return called("C_Finalize", err)
	}
	m.ours = false
	return m.initialize()
}

// InUse reports whether the module of that file serves an open Token of this
// process. Only when it does not, a change of the module's own configuration
// (SOFTHSM2_CONF, for instance) is seen at the next Open.
func InUse(path string) bool {
	m, err := load(path)
	if err != nil {
		return false
	}
	if m.take(context.Background()) != nil {
		return false
	}
	defer m.give()
	return len(m.tokens) > 0
}

// notReady wraps why a token cannot be used now.
func notReady(err error) error {
	return fmt.Errorf("%w: %w", hsm.ErrUnavailable, err)
}
