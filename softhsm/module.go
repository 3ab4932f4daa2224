package softhsm

import (
	"errors"
	"os"
	"path/filepath"
)

// places are where systems keep the module: Debian and Ubuntu, Fedora and RHEL,
// Arch and Alpine, Homebrew, and a build from source.
var places = []string{
	"/usr/lib/softhsm/libsofthsm2.so",
	"/usr/lib/*/softhsm/libsofthsm2.so",
	"/usr/lib64/pkcs11/libsofthsm2.so",
	"/usr/lib64/softhsm/libsofthsm2.so",
	"/usr/lib64/libsofthsm2.so",
	"/usr/lib/pkcs11/libsofthsm2.so",
	"/usr/lib/libsofthsm2.so",
	"/opt/homebrew/lib/softhsm/libsofthsm2.so",
	"/usr/local/lib/softhsm/libsofthsm2.so",
}

// ErrNoModule: SoftHSM2 is not installed where it is looked for.
var ErrNoModule = errors.New("SoftHSM2 not found: run `make setup`, install the package softhsm2, or name its module")

// FindModule returns the path of SoftHSM2's PKCS#11 module, or ErrNoModule.
func FindModule() (string, error) {
	for _, pattern := range places {
		found, _ := filepath.Glob(pattern) // the patterns are well-formed
		for _, path := range found {
			if i, err := os.Stat(path); err == nil && i.Mode().IsRegular() {
				return path, nil
			}
		}
	}
	return "", ErrNoModule
}
