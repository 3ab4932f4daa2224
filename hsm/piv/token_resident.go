package piv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/internal/durable"
)

// residentDir is where the resident keys of a token are, beside its file: one file
// for each, named by a hash of its id.
func (t *Token) residentDir() string { return t.path + ".keys" }

func (t *Token) residentPath(id string) string {
	sum := sha256.Sum256([]byte(id))
	return filepath.Join(t.residentDir(), hex.EncodeToString(sum[:]))
}

// residentName is what a resident key is bound to: its id, type and use.
func residentName(id string, k tokenKind) string {
	return string(fields(id, k.form().name, fmt.Sprint(int(k.use))))
}

// GenerateResident makes a secret that is kept beside the token's file.
func (t *Token) GenerateResident(ctx context.Context, id string, of hsm.KeyType) error {
	k := tokenKind{of: of}
	if err := t.begin(ctx); err != nil {
		return err
	}
	if err := errors.Join(k.checkSecret(), checkID(id)); err != nil {
		return err
	}
	return t.putResident(ctx, id, k, newSecret(k.form()))
}

// GenerateResidentPair makes a pair whose private key is kept beside the token's
// file.
func (t *Token) GenerateResidentPair(ctx context.Context, id string, of hsm.KeyType, u hsm.Use) ([]byte, error) {
	k := tokenKind{of, u}
	if err := t.begin(ctx); err != nil {
		return nil, err
	}
	if err := errors.Join(k.checkPair(), checkID(id)); err != nil {
		return nil, err
	}
	if err := t.freeResident(id); err != nil { // told before seconds are spent
		return nil, err
	}
	m, err := t.makePair(ctx, k)
	if err != nil {
		return nil, err
	}
	return m.public, t.putResident(ctx, id, k, m.material)
}

// freeResident refuses an id that is taken.
func (t *Token) freeResident(id string) error {
	_, err := os.Lstat(t.residentPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = hsm.ErrExists
	}
	return fmt.Errorf("resident key %.64q: %w", id, err)
}

// putResident stores a key, durably, and wipes its material.
func (t *Token) putResident(ctx context.Context, id string, k tokenKind, material []byte) error {
	defer clear(material)
	sealed, err := t.sealRecord(labelResident, residentName(id, k), material)
	if err != nil {
		return err
	}
	t.changes.Lock()
	defer t.changes.Unlock()
	if err := errors.Join(t.begin(ctx), t.freeResident(id)); err != nil {
		return err
	}
	if err := os.Mkdir(t.residentDir(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Each time: who made the directory may have been killed before this.
	if err := durable.SyncDir(filepath.Dir(t.path)); err != nil {
		return err
	}
	return durable.WriteFile(t.residentPath(id), sealed, 0o600)
}

// readResident is the material of a resident key. The caller wipes it.
func (t *Token) readResident(id string, k tokenKind) ([]byte, error) {
	sealed, err := os.ReadFile(t.residentPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("resident key %.64q: %w", id, hsm.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("resident key %.64q: %w: %w", id, hsm.ErrUnavailable, err)
	}
	material, err := t.openRecord(labelResident, residentName(id, k), sealed)
	if err != nil {
		return nil, fmt.Errorf("resident key %.64q as %v: %w", id, k, err)
	}
	return material, nil
}

// DestroyResident removes a resident key, and the working copy of it. Copies in
// backups are beyond its reach.
func (t *Token) DestroyResident(ctx context.Context, id string) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	t.changes.Lock()
	defer t.changes.Unlock()
	err := os.Remove(t.residentPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("resident key %.64q: %w", id, hsm.ErrNotFound)
	}
	if err == nil {
		err = durable.SyncDir(t.residentDir())
	}
	t.Forget(hsm.Key{Resident: id})
	return err
}
