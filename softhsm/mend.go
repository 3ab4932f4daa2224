package softhsm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// savedFile is a copy of the file in which SoftHSM2 keeps what makes a token:
// its name, and the key of all others under its PINs. SoftHSM2 2.6 empties that
// file and writes it again whenever somebody logs in, so that a process killed
// at that moment leaves none, and with it no key of the token can be read any
// more. What it writes differs in a flag about wrong PINs.
const savedFile = "token.object.saved"

// objectFile finds the token's own file; a directory that Create made has one.
func objectFile(dir string) (string, error) {
	found, err := fs.Glob(os.DirFS(filepath.Join(dir, tokensDir)), "*/token.object")
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("SoftHSM2 token in %s: %d of them, one is wanted", dir, len(found))
	}
	return filepath.Join(dir, tokensDir, filepath.FromSlash(found[0])), nil
}

// save keeps the copy, once the token is whole.
func save(dir string) error {
	path, err := objectFile(dir)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return write(filepath.Join(dir, savedFile), content)
}

// mend puts the copy in the place of a file that was cut short. A whole file is
// as long as the copy, and is left alone; a missing one is not ours to make: the
// token may be away.
func mend(dir string) error {
	saved, err := os.ReadFile(filepath.Join(dir, savedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // made before copies were kept
	}
	if err != nil {
		return err
	}
	path, err := objectFile(dir)
	if err != nil {
		return nil //nolint:nilerr // pkcs11.Open says that the token is not there
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() >= int64(len(saved)) {
		return err
	}
	return write(path, saved)
}
