package command

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
	mfaclient "github.com/keyd-hsm/keyd/mfa/client"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// Where the MFA socket is, if nothing else is said.
const (
	defaultMFASocket  = "/run/keyd/mfa.sock"
	mfaSocketVariable = "KEYCTL_MFA_SOCKET"
)

// socketOptions say where the MFA socket is.
type socketOptions struct{ path string }

func (o *socketOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.path, "mfa-socket", "", "`PATH` of keyd's MFA socket (default: "+mfaSocketVariable+", else "+defaultMFASocket+")")
}

// client is of the socket that was named. Under PAM the environment may be that of
// the person who wants in, so it does not say where to ask.
func (o socketOptions) client() *mfaclient.Client {
	path := o.path
	if path == "" && !underPAM() {
		path = os.Getenv(mfaSocketVariable)
	}
	return mfaclient.New(cmp.Or(path, defaultMFASocket))
}

// explainMFA is for what keyd says on its MFA socket; nil if err is no such thing.
func explainMFA(err error) *failure {
	refusal, ok := errors.AsType[*protocol.Error](err)
	if !ok {
		return nil
	}
	a := map[string]answer{
		protocol.CodeInvalid:    {exit: exitUsage, hint: "see --help of the command"},
		protocol.CodeNotAllowed: {exit: exitRefused, hint: "mfa.local_users in keyd's configuration says which local user may ask and answer what"},
		protocol.CodeRefused:    {exit: exitRefused, hint: "a code is good once, and for a minute; too many wrong ones lock the user: keyctl mfa list"},
		protocol.CodeNoSuch:     {exit: exitNotFound, hint: "it was answered, taken back or is too old: keyctl mfa pending shows what waits"},
		protocol.CodeTooMany:    {exit: exitUnavailable, hint: "too many questions wait for an answer: keyctl mfa pending"},
		protocol.CodeInternal:   {exit: exitUnavailable, hint: "keyd's log says more"},
		protocol.CodeSealed:     {exit: exitUnavailable, hint: "open it: keyctl unseal"},
	}[refusal.Code]
	message := strings.TrimSuffix(plainly(refusal.Message), ".")
	return &failure{fmt.Errorf("%s (%s)", cmp.Or(message, "no"), refusal.Code), a.hint, cmp.Or(a.exit, exitFailure)}
}

// challengeDoc is the JSON of a question. It has no nonce: that is for whoever
// signs.
type challengeDoc struct {
	ChallengeID string `json:"ChallengeId"`
	UserName    string
	Purpose     string
	Methods     []string
	Credentials bool
	CreateDate  time.Time
	Expiration  time.Time
	Asker       protocol.Asker
}

func newChallengeDoc(ch protocol.Challenge) challengeDoc {
	return challengeDoc{ch.ID, ch.User, ch.Purpose, ch.Methods, ch.Credentials, ch.Created.UTC(), ch.Expires.UTC(), ch.Asker}
}

// Of a purpose as it is shown: how wide its lines are, so that with what stands
// before them they fit on any terminal; and how much of it there is where it shares
// its line with other things.
const (
	purposeWidth = 60
	purposeShort = 40
)

// openBox stands for several spaces on end, which could make a part of a purpose
// look like a line, or a column, of keyctl's own.
const openBox = "\u2423"

var spaces = regexp.MustCompile(` {2,}`)

func markSpaces(purpose string) string { return spaces.ReplaceAllString(purpose, openBox) }

// shownPurpose is a purpose as people are shown it: in quotes. What is signed is what
// was sent.
func shownPurpose(purpose string) string { return markSpaces(strconv.Quote(purpose)) }

// purposeLines is all of a purpose, cut before a terminal would do it.
func purposeLines(purpose string) []string {
	var lines []string
	var line strings.Builder
	width := 0
	for _, r := range shownPurpose(purpose) {
		// Beyond what Latin needs, characters may be two columns wide.
		w := 1
		if r > unicode.MaxLatin1 {
			w = 2
		}
		if width += w; width > purposeWidth {
			lines = append(lines, line.String())
			line.Reset()
			width = w
		}
		line.WriteRune(r)
	}
	return append(lines, line.String())
}

// shortPurpose is the beginning of a purpose, if it is long.
func shortPurpose(purpose string) string {
	text := []rune(shownPurpose(purpose))
	if len(text) <= purposeShort {
		return string(text)
	}
	return string(text[:purposeShort-1]) + "…"
}

// challengeFacts is a question for the person who answers it.
func challengeFacts(ch protocol.Challenge, now time.Time) *term.Table {
	t := term.NewTable()
	t.Row("is this", ch.User)
	t.Row("asked by", askerText(ch.Asker))
	t.Row("grants", grants(ch))
	t.Row("account", ch.Account)
	t.Row("methods", strings.Join(ch.Methods, ", "))
	t.Row("expires in", lasts(ch, now))
	// The asker's own words come last, and in lines that fit under each other.
	label := "for"
	for _, line := range purposeLines(ch.Purpose) {
		t.Row(label, line)
		label = ""
	}
	return t
}

func askerText(a protocol.Asker) string {
	return fmt.Sprintf("%s (uid %d), process %d", cmp.Or(a.Name, "?"), a.UID, a.PID)
}

// grants is what the asker gets by a yes.
func grants(ch protocol.Challenge) string {
	if ch.Credentials {
		return "CREDENTIALS of " + ch.User + ": whoever asked can act as " + ch.User
	}
	return "the answer only"
}

func lasts(ch protocol.Challenge, now time.Time) string {
	if left := ch.Expires.Sub(now).Round(time.Second); left > 0 {
		return left.String()
	}
	return "expired"
}

// securityKeys are the devices that can sign an answer.
func securityKeys(devices []protocol.Device) []securityKey {
	var keys []securityKey
	for _, d := range devices {
		keys = append(keys, securityKey{d.SerialNumber, d.PublicKeySHA256, d.Slot, d.Card})
	}
	return keys
}
