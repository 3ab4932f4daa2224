package e2e_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keyd-hsm/keyd/softhsm"
)

// TestScripts runs testdata/*.txtar. Beside testscript's commands, keyd and
// keyctl they have:
//
//	daemon start [flag...]  run keyd dev on $WORK/keyd and set what its env file
//	                        exports; stop and kill (-9) end it
//	aws argument...         AWS's command line, pointed at the daemon
//	keep NAME               put the last command's standard output in a variable
//	exits CODE command...   run a command that must end with this exit code
//	eventually [!] cmd...   run a command again until it succeeds (fails with !)
//	get STATUS URL          fetch until the answer has this status
//	certificate CERT KEY    make a certificate for loopback, in two files
//	port NAME               put a free port's number in a variable
//	signal NAME             send a signal to the commands in the background
//	without NAME FILE       fail if the file holds what the variable holds
//	oidc ISSUER AUD SUB DIR make an OIDC issuer: its key set, and tokens
//	card start SERIAL...    put virtual YubiKeys into readers of the script's own,
//	                        and their authority's certificate into piv-root.pem
//	card give|withhold N    touch the card when it asks, or do not
//	card pull N             pull the card when it asks for a touch
//	card eject|insert N     pull it now, and put it back
//	card touched N TIMES    it has asked for so many touches
//
// When a script ends, every data directory it leaves must be sound: keyctl
// audit verify and keyd fsck say so.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		RequireUniqueNames: true,
		Setup:              setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"daemon":      cmdDaemon,
			"aws":         cmdAWS,
			"keep":        cmdKeep,
			"exits":       cmdExits,
			"eventually":  cmdEventually,
			"get":         cmdGet,
			"certificate": cmdCertificate,
			"port":        cmdPort,
			"signal":      cmdSignal,
			"without":     cmdWithout,
			"oidc":        cmdOIDC,
			"card":        cmdCard,
		},
	})
}

// session is what a script has running.
type session struct {
	env []string
	dir string
	d   *daemon // nil: none was started
}

type sessionKey struct{}

// testKey is for the test that a script is.
type testKey struct{}

func setup(env *testscript.Env) error {
	module, err := softhsm.FindModule()
	if err != nil {
		return err
	}
	model, err := filepath.Abs("../api/model/mfa.json")
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"MFA_MODEL": model, // of keyd's own operations, for AWS's command line
		"HOME":      env.WorkDir, "GORACE": os.Getenv("GORACE"), "SOFTHSM2_MODULE": module, "SPY_MODULE": spyModule(),
		"AWS_PAGER": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", "AWS_DEFAULT_OUTPUT": "json",
		"TZ": "UTC", "LC_ALL": "C.UTF-8",
	} {
		env.Setenv(name, value)
	}
	s := &session{env: env.Vars, dir: filepath.Join(env.WorkDir, "keyd")}
	env.Values[sessionKey{}] = s
	t := env.T().(testing.TB)
	env.Values[testKey{}], env.Values[cardsKey{}] = t, cards{}
	env.Defer(func() {
		err := s.stop()
		if !t.Failed() {
			err = errors.Join(err, allSound(env.WorkDir))
		}
		if err != nil {
			t.Error(err)
		}
	})
	return nil
}

func (s *session) stop() error {
	if s.d == nil {
		return nil
	}
	d := s.d
	s.d = nil
	return d.stop()
}

// allSound checks every data directory of a script.
func allSound(work string) error {
	states, err := filepath.Glob(filepath.Join(work, "*", "state.db"))
	for _, state := range states {
		err = errors.Join(err, sound(filepath.Dir(state)))
	}
	return err
}

func cmdDaemon(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(sessionKey{}).(*session)
	switch {
	case !neg && len(args) > 0 && args[0] == "start":
		ts.Check(s.stop())
		d, err := launch(s.dir, s.env, args[1:]...)
		ts.Check(err)
		s.d = d
		for name, value := range d.vars {
			ts.Setenv(name, value)
		}
	case !neg && len(args) == 1 && args[0] == "stop" && s.d != nil:
		ts.Check(s.stop())
	case !neg && len(args) == 1 && args[0] == "kill" && s.d != nil:
		s.d.kill()
	default:
		ts.Fatalf("usage: daemon start [flag...] | stop | kill")
	}
}

func cmdAWS(ts *testscript.TestScript, neg bool, args []string) {
	args = append([]string{"--endpoint-url", ts.Getenv("AWS_ENDPOINT_URL")}, args...)
	expect(ts, neg, ts.Exec(awsCLI(), args...))
}

// expect is testscript's rule for commands: failing is what one with ! must do.
func expect(ts *testscript.TestScript, neg bool, err error) {
	switch {
	case err != nil && !neg:
		ts.Fatalf("unexpected failure: %v", err)
	case err == nil && neg:
		ts.Fatalf("unexpected success")
	}
}

func cmdKeep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keep NAME")
	}
	text := strings.TrimSpace(ts.ReadFile("stdout"))
	if text == "" {
		ts.Fatalf("nothing to keep")
	}
	ts.Setenv(args[0], text)
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command...")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func cmdEventually(ts *testscript.TestScript, neg bool, args []string) {
	failing := len(args) > 0 && args[0] == "!"
	if failing {
		args = args[1:]
	}
	if neg || len(args) == 0 {
		ts.Fatalf("usage: eventually [!] command...")
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := ts.Exec(args[0], args[1:]...); (err != nil) == failing {
			return
		}
	}
	ts.Fatalf("not within %v", patience)
}

func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM}
	if neg || len(args) != 1 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal HUP|TERM")
	}
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(signals[args[0]]))
	}
}

func cmdWithout(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || ts.Getenv(args[0]) == "" {
		ts.Fatalf("usage: without NAME FILE, where NAME is set")
	}
	if strings.Contains(ts.ReadFile(args[1]), ts.Getenv(args[0])) {
		ts.Fatalf("%s holds $%s", args[1], args[0])
	}
}
