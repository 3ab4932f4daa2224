package softhsm

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// savedPrefix begins the names of the copies, one for each token, of the file in
// which SoftHSM2 keeps what makes a token: its name, and the key of all others
// under its PINs. SoftHSM2 2.6 empties that file and writes it again whenever
// somebody logs in, so that a process killed at that moment leaves none, and with
// it no key of the token can be read any more. What it writes differs in a flag
// about wrong PINs. The rest of the name is that of the token's directory.
const savedPrefix = "saved-"

// objectFile is the token's own file, in a token's directory.
const objectFile = "token.object"

// save keeps the copies of all tokens, once the one just made is whole.
func save(dir string) error {
	tokens, err := os.ReadDir(filepath.Join(dir, tokensDir))
	for _, t := range tokens {
		content, e := os.ReadFile(filepath.Join(dir, tokensDir, t.Name(), objectFile))
		if errors.Is(e, fs.ErrNotExist) {
			continue // cut short while it was made
		}
		if e == nil {
			e = write(filepath.Join(dir, savedPrefix+t.Name()), content)
		}
		err = errors.Join(err, e)
	}
	return err
}

// mend puts the copy in the place of each file that was cut short. A whole file is
// as long as its copy, and is left alone; a missing one is not ours to make: the
// token may be away.
func mend(dir string) error {
	tokens, err := os.ReadDir(filepath.Join(dir, tokensDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // pkcs11.Open says that the token is not there
	}
	for _, t := range tokens {
		err = errors.Join(err, mendToken(dir, t.Name()))
	}
	return err
}

func mendToken(dir, name string) error {
	saved, err := os.ReadFile(filepath.Join(dir, savedPrefix+name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // never whole
	}
	if err != nil {
		return err
	}
	path := filepath.Join(dir, tokensDir, name, objectFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Size() >= int64(len(saved)) {
		return err
	}
	return write(path, saved)
}
