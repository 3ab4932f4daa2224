// Package softhsm makes a throwaway SoftHSM2 token: a real PKCS#11 token in a
// directory, for development and tests. It protects keys from nobody who can
// read that directory.
//
// [Create] makes one and [Open] finds it again; [Token.Config] is what
// hsm/pkcs11 opens it with. [Test] does all of it for a test.
//
// SoftHSM2 reads one configuration per process, when the module is
// initialised, from the file that SOFTHSM2_CONF names. Create and Open set
// that variable for the whole process, and refuse another directory while a
// token of the first one is open.
package softhsm

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/pkcs11"
)

// Names inside the directory of a token.
const (
	configFile = "softhsm2.conf"
	tokensDir  = "tokens"
	pinFile    = "pin"
	officerPIN = "so-pin"
	// startedFile is there while Create works: what it stands beside may be thrown away.
	startedFile = "incomplete"
	// tokenFile is written last: without it there is no token.
	tokenFile = "token.json"
)

// ErrNone: the directory holds no token that was made to the end.
var ErrNone = errors.New("no SoftHSM2 token here")

// Options say how to make or open a token. The zero value is good.
type Options struct {
	// Module is the PKCS#11 module; empty: where FindModule finds SoftHSM2.
	// Another module that passes calls on to it, as OpenSC's pkcs11-spy does,
	// works too.
	Module string
	// Label names a token to be created; empty: "keyd".
	Label string
}

// Token is a SoftHSM2 token in a directory.
type Token struct {
	// Dir holds everything: configuration, objects, PINs.
	Dir string
	// Module is the PKCS#11 module to use it with.
	Module string
	// Info is what the token says of itself.
	Info hsm.Info

	pin pkcs11.PIN
}

// Config is what pkcs11.Open needs.
func (t *Token) Config() pkcs11.Config {
	return pkcs11.Config{
		Module: t.Module,
		Token:  pkcs11.URI{Token: t.Info.Label, Serial: t.Info.Serial},
		PIN:    t.pin,
	}
}

// ConfigFile is the path that SOFTHSM2_CONF must have in another process that
// uses the token, such as pkcs11-tool.
func (t *Token) ConfigFile() string { return filepath.Join(t.Dir, configFile) }

// PINFile is the file, readable by its owner only, with the user PIN.
func (t *Token) PINFile() string { return filepath.Join(t.Dir, pinFile) }

// active is the directory whose configuration the process uses.
var active struct {
	sync.Mutex
	dir string
}

// Create makes a token in dir, which it makes too. It refuses with
// fs.ErrExist when there is a token, or anything that it did not make. What an
// interrupted Create left is cleared away first. When Create returns the token
// is whole; SoftHSM2 itself leaves writing it to the disk to the system.
func Create(ctx context.Context, dir string, o Options) (*Token, error) {
	module, dir, err := o.resolve(dir)
	if err != nil {
		return nil, err
	}
	if err := prepare(dir); err != nil {
		return nil, err
	}
	if err := use(module, dir); err != nil {
		return nil, err
	}
	label := o.Label
	if label == "" {
		label = "keyd"
	}
	pin, err := newPIN(filepath.Join(dir, pinFile))
	if err != nil {
		return nil, err
	}
	officer, err := newPIN(filepath.Join(dir, officerPIN))
	if err != nil {
		return nil, err
	}
	info, err := pkcs11.InitToken(ctx, module, label, officer, pin)
	if err != nil {
		return nil, fmt.Errorf("SoftHSM2 token in %s: %w", dir, err)
	}
	if err := finish(dir, info); err != nil {
		return nil, err
	}
	return &Token{Dir: dir, Module: module, Info: info, pin: pin}, nil
}

// Open finds the token that Create made in dir, and mends it where a process was
// killed while it logged in. It refuses with ErrNone when there is none, or half
// of one.
func Open(dir string, o Options) (*Token, error) {
	module, dir, err := o.resolve(dir)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, tokenFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNone)
	}
	if err != nil {
		return nil, err
	}
	t := &Token{Dir: dir, Module: module}
	if err := json.Unmarshal(text, &t.Info); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, tokenFile), err)
	}
	pin, err := os.ReadFile(t.PINFile())
	if err != nil {
		return nil, err
	}
	t.pin = pkcs11.NewPIN(strings.TrimSpace(string(pin)))
	if err := mend(dir); err != nil {
		return nil, err
	}
	return t, use(module, dir)
}

// resolve finds the module and makes dir absolute, since the module reads its
// configuration again whenever it is initialised.
func (o Options) resolve(dir string) (module, abs string, err error) {
	if module = o.Module; module == "" {
		if module, err = FindModule(); err != nil {
			return "", "", err
		}
	}
	abs, err = filepath.Abs(dir)
	return module, abs, err
}

// prepare makes the directory ready, or refuses it.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	started := filepath.Join(dir, startedFile)
	for _, name := range []string{tokenFile, tokensDir, configFile, pinFile, officerPIN} {
		path := filepath.Join(dir, name)
		_, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if _, unfinished := os.Lstat(started); name == tokenFile || unfinished != nil {
			return &fs.PathError{Op: "create token", Path: path, Err: fs.ErrExist}
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	if err := write(started, nil); err != nil {
		return err
	}
	return os.Mkdir(filepath.Join(dir, tokensDir), 0o700)
}

// use makes dir the configuration of this process. The file is written anew
// each time: the directory may have been moved.
func use(module, dir string) error {
	active.Lock()
	defer active.Unlock()
	if active.dir != "" && active.dir != dir && pkcs11.InUse(module) {
		return fmt.Errorf("SoftHSM2 token in %s: a process has one configuration, and %s is in use", dir, active.dir)
	}
	path := filepath.Join(dir, configFile)
	text := "# Written by keyd.\n" +
		"directories.tokendir = " + filepath.Join(dir, tokensDir) + "\n" +
		"objectstore.backend = file\nobjectstore.umask = 0077\n" +
		"log.level = ERROR\nslots.removable = false\n"
	if err := write(path, []byte(text)); err != nil {
		return err
	}
	active.dir = dir
	return os.Setenv("SOFTHSM2_CONF", path)
}

// newPIN makes a random PIN and keeps it in a file.
func newPIN(path string) (pkcs11.PIN, error) {
	pin := rand.Text()
	return pkcs11.NewPIN(pin), write(path, []byte(pin+"\n"))
}

// finish makes the token one that Open takes.
func finish(dir string, info hsm.Info) error {
	if err := save(dir); err != nil {
		return err
	}
	text, err := json.Marshal(info)
	if err != nil {
		return err
	}
	if err := write(filepath.Join(dir, tokenFile), text); err != nil {
		return err
	}
	return os.Remove(filepath.Join(dir, startedFile))
}

// write replaces a file as a whole, readable by its owner only.
func write(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
