package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/internal/term"
)

// maxPIN bounds what is read as a PIN.
const maxPIN = 256

// readPIN finds the user PIN: in the file that the configuration names, in the
// environment, in a systemd credential, or by asking on a terminal. There is no
// flag for it: command lines are seen by every user of the machine.
func readPIN(file string, env func(string) string, in io.Reader, out io.Writer) (pkcs11.PIN, error) {
	found, err := knownPIN(file, env)
	defer clear(found)
	if err != nil || len(found) > 0 {
		return pkcs11.NewPIN(string(found)), err
	}
	pin, err := term.Secret(in, out, "PIN of the token: ")
	if err != nil {
		return pkcs11.PIN{}, hinted(fmt.Errorf("PIN: %w", err),
			"set pin_file, the environment variable KEYD_PIN or the systemd credential %s", pinCredential)
	}
	return pkcs11.NewPIN(pin), nil
}

// pinCredential is the systemd credential that holds the PIN.
const pinCredential = "keyd-pin"

// knownPIN is the PIN that nobody need be asked for; nil if there is none. The
// caller wipes it.
func knownPIN(file string, env func(string) string) ([]byte, error) {
	if file != "" {
		return pinFromFile(file)
	}
	if pin := env("KEYD_PIN"); pin != "" {
		// Children of this process need not have it.
		_ = os.Unsetenv("KEYD_PIN")
		return []byte(pin), nil
	}
	if dir := env("CREDENTIALS_DIRECTORY"); dir != "" {
		path := filepath.Join(dir, pinCredential)
		if _, err := os.Stat(path); err == nil {
			return pinFromFile(path)
		}
	}
	return nil, nil
}

func pinFromFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("PIN: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPIN+2))
	if err != nil {
		return nil, fmt.Errorf("PIN: %w", err)
	}
	defer clear(text)
	line, _, _ := bytes.Cut(text, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 || len(line) > maxPIN {
		return nil, errors.New("PIN: " + path + ": first line is empty or too long")
	}
	return bytes.Clone(line), nil
}
