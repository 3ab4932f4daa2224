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

	"github.com/keyd-hsm/keyd/hsm/pkcs11"
)

// secondFile is the Info of the second token, written when that is whole.
const secondFile = "second.json"

// Second finds the second token in the directory of t, which has the PIN of the
// first, and makes it if it is not there. No token of the directory may be open.
//
// What an interrupted Second left is passed over: it has a label of its own.
func (t *Token) Second(ctx context.Context) (*Token, error) {
	second := *t
	path := filepath.Join(t.Dir, secondFile)
	text, err := os.ReadFile(path)
	if err == nil {
		if err := json.Unmarshal(text, &second.Info); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return &second, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	officer, err := newPIN(filepath.Join(t.Dir, "second-"+officerPIN))
	if err != nil {
		return nil, err
	}
	second.Info, err = pkcs11.InitToken(ctx, t.Module, "second-"+rand.Text()[:8], officer, t.pin)
	if err != nil {
		return nil, fmt.Errorf("second SoftHSM2 token in %s: %w", t.Dir, err)
	}
	if err := save(t.Dir); err != nil {
		return nil, err
	}
	if text, err = json.Marshal(second.Info); err != nil {
		return nil, err
	}
	return &second, write(path, text)
}
