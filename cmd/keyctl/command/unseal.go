package command

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

// unsealOptions are what unseal can be told.
type unsealOptions struct {
	pinFile string
	lastTry bool
	status  bool
}

func newUnseal(c *cli) *cobra.Command {
	var o unsealOptions
	cmd := &cobra.Command{
		Use:   "unseal",
		Short: "Open a keyd whose token is sealed to a YubiKey",
		Long: `Open a keyd whose token is sealed to a YubiKey, which must be plugged in where
keyd runs. It asks for the PIN of the YubiKey, gives it to keyd over its Unix
socket, and says when to touch. Only root and the user that keyd runs as may.

A PIN is tried once, and never where one try is left, unless --last-try is given.`,
		Example: `  keyctl unseal --socket /run/keyd/keyd.sock
  keyctl unseal --status
  systemd-ask-password | keyctl unseal --pin-file -`,
		Args: cobra.NoArgs,
		RunE: c.run(func(ctx context.Context, _ []string) error { return c.unseal(ctx, o) }),
	}
	f := cmd.Flags()
	f.StringVar(&o.pinFile, "pin-file", "", "first line of `FILE` is the PIN; - is standard input (default: it is asked for)")
	f.BoolVar(&o.lastTry, "last-try", false, "use the last try before the PIN is blocked")
	f.BoolVar(&o.status, "status", false, "only say whether keyd is sealed")
	cmd.MarkFlagsMutuallyExclusive("status", "pin-file")
	return cmd
}

func newSeal(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "seal",
		Short: "Seal a keyd again whose token is sealed to a YubiKey",
		Long: `Seal a keyd again whose token is sealed to a YubiKey: requests under way are
answered, then the keys are wiped from its memory, and every further request is
answered that keyd is sealed. Only root and the user that keyd runs as may.`,
		Example: "  keyctl seal --socket /run/keyd/keyd.sock",
		Args:    cobra.NoArgs,
		RunE:    c.run(func(ctx context.Context, _ []string) error { return c.seal(ctx) }),
	}
}

// sealState is what keyd answers to requests that concern itself: its state, a step
// of the unsealing, or an error (docs/spec/piv-token.md).
type sealState struct {
	State   string   `json:"state"`
	Token   string   `json:"token"`
	Keys    []string `json:"keys"`
	Touch   string   `json:"touch"`
	Error   string   `json:"error"`
	Message string   `json:"message"`
	Tries   *int     `json:"tries"`
}

// stateOpen is that of a keyd that serves.
const stateOpen = "open"

// sealDoc is the JSON of unseal and seal.
type sealDoc struct {
	State string
	Token string `json:",omitempty"`
	Keys  []string
}

func (s sealState) show(c *cli) error {
	t := term.NewTable()
	t.Row("state", s.State)
	if s.Token != "" {
		t.Row("token", s.Token)
	}
	for _, k := range s.Keys {
		t.Row("opened by", k)
	}
	return c.show(sealDoc{s.State, s.Token, append([]string{}, s.Keys...)}, t)
}

func (c *cli) unseal(ctx context.Context, o unsealOptions) error {
	control, err := c.control()
	if err != nil {
		return err
	}
	ctx, cancel := interruptible(ctx)
	defer cancel()
	state, err := control.ask(ctx, http.MethodGet, "unseal", nil, nil)
	if err != nil {
		return err
	}
	if o.status || state.State == stateOpen {
		return state.show(c)
	}
	p := c.person()
	defer p.leave()
	pin, err := c.cardPIN(ctx, p, o.pinFile, state)
	if err != nil {
		return err
	}
	defer clear(pin)
	path := "unseal"
	if o.lastTry {
		path += "?last_try=true"
	}
	state, err = control.ask(ctx, http.MethodPost, path, pin, func(key string) { p.say("touch the YubiKey now, it blinks (%s)", key) })
	if err != nil {
		return err
	}
	return state.show(c)
}

// cardPIN finds the PIN of the YubiKey. The caller wipes it.
func (c *cli) cardPIN(ctx context.Context, p *person, file string, s sealState) ([]byte, error) {
	if file == "" {
		text, err := p.secret(ctx, "PIN of "+cmp.Or(strings.Join(s.Keys, " or "), "the YubiKey")+": ", "PIN", "give --pin-file")
		return []byte(text), err
	}
	r := c.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	b, err := readAtMost(r, 256)
	if err != nil {
		return nil, failf(exitUsage, "its first line is the PIN, and nothing else", "PIN file %s: %w", file, err)
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

func (c *cli) seal(ctx context.Context) error {
	control, err := c.control()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	state, err := control.ask(ctx, http.MethodPost, "seal", nil, nil)
	if err != nil {
		return err
	}
	return state.show(c)
}

// controller asks keyd what concerns itself, over its Unix socket.
type controller struct{ http *http.Client }

// control finds the socket: --socket, or KEYD_SOCKET.
func (c *cli) control() (controller, error) {
	path := cmp.Or(c.socket, os.Getenv("KEYD_SOCKET"))
	if path == "" || c.endpoint != "" {
		return controller{}, usagef("name it with --socket PATH or KEYD_SOCKET: it is listen.socket of keyd's configuration",
			"no socket: keyd is sealed and unsealed over its Unix socket only")
	}
	return controller{&http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}}, nil
}

// ask sends a request, tells of the touches that are wanted, and returns the last
// state.
func (k controller) ask(ctx context.Context, method, path string, body []byte, touch func(key string)) (last sealState, err error) {
	r, err := http.NewRequestWithContext(ctx, method, socketURL+"/keyd/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return last, err
	}
	r.Header.Set("Content-Type", "application/octet-stream")
	resp, err := k.http.Do(r)
	if err != nil {
		return last, err
	}
	defer resp.Body.Close()
	d := json.NewDecoder(io.LimitReader(resp.Body, 1<<20))
	for {
		var s sealState
		err := d.Decode(&s)
		switch {
		case errors.Is(err, io.EOF) && (last.State != "" || last.Error != ""):
			return last, unsealFailure(last)
		case err != nil && ctx.Err() != nil:
			return last, context.Cause(ctx)
		case err != nil:
			return last, &failure{err: errors.New(stranger.text), hint: "is it the socket of a keyd that knows unseal? see --socket", exit: stranger.exit}
		case s.Touch != "" && touch != nil:
			touch(s.Touch)
		}
		last = s
	}
}

// unsealFailures say how unseal and seal end for a code of keyd's, and what to do.
var unsealFailures = map[string]struct {
	exit exit
	hint string
}{
	"wrong_pin":     {exitRefused, "the PIN was tried once; try again with the right one"},
	"pin_form":      {exitUsage, ""},
	"pin_needed":    {exitUsage, "give it with --pin-file, or on a terminal"},
	"last_try":      {exitRefused, "--last-try uses it; ykman piv access unblock-pin, with the PUK, gives new ones"},
	"pin_blocked":   {exitRefused, "ykman piv access unblock-pin, with the PUK; a reset of the PIV application destroys the key, and with it all that is sealed to it"},
	"no_card":       {exitUnavailable, "plug it in where keyd runs, and try again"},
	"no_service":    {exitUnavailable, "systemctl start pcscd, where keyd runs"},
	"in_use":        {exitUnavailable, "end the other program (gpgconf --kill scdaemon), and try again"},
	"removed":       {exitUnavailable, "plug it in again, and try again"},
	"no_piv":        {exitUnavailable, "ykman config usb --enable PIV"},
	"not_touched":   {exitRefused, "try again, and touch it when it blinks"},
	"other_key":     {exitUnavailable, "this card's key was replaced; another card that the token is sealed to may open it"},
	"altered":       {exitBroken, "restore the token's file from a backup"},
	"busy":          {exitState, "try again in a moment"},
	"open_already":  {exitState, ""},
	"stopping":      {exitUnavailable, "try again when keyd runs"},
	"not_allowed":   {exitRefused, "run it as root: sudo keyctl unseal"},
	"no_card_token": {exitState, ""},
	"failed":        {exitFailure, "keyd's log says more"},
}

// unsealFailure is the error in an answer; nil if there is none.
func unsealFailure(s sealState) error {
	if s.Error == "" {
		return nil
	}
	f, known := unsealFailures[s.Error]
	if !known {
		f.exit = exitFailure
	}
	return failf(f.exit, f.hint, "%s", s.Message)
}
