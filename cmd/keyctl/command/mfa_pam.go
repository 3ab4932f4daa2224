package command

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"
)

// pamFacts are what pam_exec says of a login.
type pamFacts struct{ user, service, host, tty string }

// underPAM reports whether pam_exec started the program. Whoever logs in may add
// to its environment, but cannot take PAM_TYPE out.
func underPAM() bool {
	_, ok := os.LookupEnv("PAM_TYPE")
	return ok
}

// errPAMEnvironment: somebody tries to pass for another.
var errPAMEnvironment = errors.New("a PAM variable is in the environment twice: whoever logs in has put one there")

// environFile is where Linux keeps the environment as it was given.
const environFile = "/proc/self/environ"

// readPAM reads PAM's variables. Pam_exec adds them after those that a person may
// have set (with pam_env, say), and of two by one name the first would be found: so
// none may be there twice.
func readPAM() (pamFacts, error) {
	if !underPAM() {
		return pamFacts{}, nil
	}
	environ, err := os.ReadFile(environFile)
	if err != nil {
		return pamFacts{}, fmt.Errorf("environment: %w", err)
	}
	return parsePAM(environ)
}

func parsePAM(environ []byte) (pamFacts, error) {
	found := map[string]string{}
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		name, value, _ := strings.Cut(string(entry), "=")
		if !strings.HasPrefix(name, "PAM_") {
			continue
		}
		if _, twice := found[name]; twice {
			return pamFacts{}, errPAMEnvironment
		}
		found[name] = value
	}
	return pamFacts{found["PAM_USER"], found["PAM_SERVICE"], found["PAM_RHOST"], found["PAM_TTY"]}, nil
}

// terminal is that of the person who logs in, if it has one: pam_exec starts
// programs without a terminal of their own. Sshd's is called ssh, and is none.
func (f pamFacts) terminal() string {
	if !strings.HasPrefix(f.tty, "/dev/pts/") && !strings.HasPrefix(f.tty, "/dev/tty") || strings.Contains(f.tty, "..") {
		return ""
	}
	return f.tty
}

// maxPurpose is how many characters a purpose may have.
const maxPurpose = 200

// purpose says what the login is for: "sshd login from 192.0.2.1", "sudo on db1".
// The name of the other host may be of the other's choice.
func (f pamFacts) purpose() string {
	if f.service == "" {
		return ""
	}
	where := " login from " + f.host
	if f.host == "" {
		name, err := os.Hostname()
		if err != nil {
			name = "this machine"
		}
		where = " on " + name
	}
	text := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, f.service+where))
	return string(text[:min(len(text), maxPurpose)])
}
