package server

import (
	"crypto/sha256"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// ask is CreateChallenge.
func (k *Socket) ask(c *localCall) (any, error) {
	defer k.work(c, 0)()
	var in protocol.Ask
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if err := checkAsk(&in); err != nil {
		return nil, err
	}
	c.parameters = askParameters(&in)
	if err := c.need(MayAsk, in.User); err != nil {
		return nil, err
	}
	if in.Credentials {
		if err := c.need(MayCredentials, in.User); err != nil {
			return nil, err
		}
	}
	q := mfa.Question{
		Challenge: protocol.Challenge{
			User: in.User, Purpose: in.Purpose, Credentials: in.Credentials,
			Asker: protocol.Asker{UID: c.peer.UID, PID: c.peer.PID, Name: c.name},
		},
		From: c.from(),
		TTL:  time.Duration(in.TTLSeconds) * time.Second, Lasts: time.Duration(in.DurationSeconds) * time.Second,
	}
	if err := k.State.View(c.ctx, func(tx kms.Tx) error { return k.fill(c, tx, &q, in.Methods) }); err != nil {
		return nil, err
	}
	if len(q.Methods) == 0 {
		return nil, &localFault{code: protocol.CodeRefused, status: 403, message: "The user has none of these methods to answer by."}
	}
	challenge, err := k.challenges.Ask(q)
	if err != nil {
		return nil, err
	}
	c.elements = map[string]any{"challengeId": challenge.ID, "methods": challenge.Methods, "expires": challenge.Expires}
	return challenge, nil
}

// allMethods are all that there are, in the order in which challenges list them.
var allMethods = []string{protocol.TOTP, protocol.HOTP, protocol.PIV, protocol.Recovery}

// fill finds whose devices may answer, and by which of the accepted methods. A
// user that does not exist looks like one with a TOTP device.
func (k *Socket) fill(c *localCall, tx kms.Tx, q *mfa.Question, accepted []string) error {
	var err error
	if q.Owner, err = k.localOwner(c, tx, q.User); err != nil {
		return err
	}
	types, keys, err := k.MFA.MethodsOf(tx, q.Owner)
	if err != nil {
		return err
	}
	q.Methods = []string{}
	for _, m := range allMethods {
		if (len(accepted) == 0 || slices.Contains(accepted, m)) && slices.Contains(types, strings.ToUpper(m)) {
			q.Methods = append(q.Methods, m)
		}
	}
	if slices.Contains(q.Methods, protocol.PIV) {
		q.Devices = securityKeys(keys)
	}
	return nil
}

// localOwner is whose devices a user's are; "" for a user that does not exist.
//
// "root" is the root user of the account even where a user has that name: rules
// name it for that, and whoever may create users must not become it.
func (k *Socket) localOwner(c *localCall, tx kms.Tx, name string) (string, error) {
	if name == rootName {
		return k.Account, nil
	}
	u, err := k.IAM.User(c.ctx, tx, name)
	if isNoSuchEntity(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return u.ID, nil
}

// securityKeys are devices as challenges show them.
func securityKeys(devices []*mfa.Device) []protocol.Device {
	var list []protocol.Device
	for _, d := range devices {
		sum := sha256.Sum256(d.PIV.Public)
		list = append(list, protocol.Device{
			SerialNumber: d.Serial(), Method: protocol.PIV, PublicKeySHA256: sum[:], Slot: d.PIV.Slot, Card: d.PIV.Card,
		})
	}
	return list
}

// Limits of what is asked.
const (
	maxPurpose  = 200    // characters
	minDuration = 900    // seconds, as of GetSessionToken
	maxDuration = 129600 // seconds
)

var localUser = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)

// checkAsk refuses a question that is none, whoever asks it.
func checkAsk(in *protocol.Ask) error {
	ttl := time.Duration(in.TTLSeconds) * time.Second
	switch {
	case !localUser.MatchString(in.User):
		return invalid("user must have 1 to 64 letters, digits or characters of _+=,.@-")
	case strings.TrimSpace(in.Purpose) == "" || utf8.RuneCountInString(in.Purpose) > maxPurpose || strings.ContainsFunc(in.Purpose, notPrinted):
		return invalid("purpose must have 1 to 200 printable characters, on one line")
	case in.TTLSeconds != 0 && (in.TTLSeconds > int(mfa.MaxTTL/time.Second) || ttl < mfa.MinTTL):
		return invalid("ttl_seconds must be from 5 to 600")
	case in.DurationSeconds != 0 && !in.Credentials:
		return invalid("duration_seconds is of credentials, which are not asked for")
	case in.DurationSeconds != 0 && (in.DurationSeconds < minDuration || in.DurationSeconds > maxDuration):
		return invalid("duration_seconds must be from 900 to 129600")
	}
	for i, m := range in.Methods {
		if !slices.Contains(allMethods, m) {
			return invalid("methods are totp, hotp, piv and recovery")
		}
		if slices.Contains(in.Methods[:i], m) {
			return invalid("a method is given twice")
		}
	}
	return nil
}

// notPrinted is what could make a purpose look like another: line ends, other
// control characters, marks that turn the direction of writing, and what counts as a
// letter or a symbol and shows nothing.
func notPrinted(r rune) bool {
	const brailleBlank = '\u2800'
	return !unicode.IsPrint(r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || r == brailleBlank
}

func askParameters(in *protocol.Ask) map[string]any {
	p := map[string]any{"user": in.User, "purpose": in.Purpose}
	if len(in.Methods) > 0 {
		p["methods"] = in.Methods
	}
	if in.TTLSeconds != 0 {
		p["ttlSeconds"] = in.TTLSeconds
	}
	if in.Credentials {
		p["credentials"] = true
	}
	if in.DurationSeconds != 0 {
		p["durationSeconds"] = in.DurationSeconds
	}
	return p
}

// list is ListChallenges.
func (k *Socket) list(c *localCall) (any, error) {
	query, err := c.bodiless("user")
	if err != nil {
		return nil, err
	}
	user := query.Get("user")
	if query.Has("user") {
		if !localUser.MatchString(user) {
			return nil, invalid("user must have 1 to 64 letters, digits or characters of _+=,.@-")
		}
		c.parameters["user"] = user
		if err := c.need(MayAnswer, user); err != nil {
			return nil, err
		}
	}
	return protocol.Challenges{Challenges: k.challenges.Pending(func(q *mfa.Question) bool {
		return (user == "" || strings.EqualFold(q.User, user)) && c.may(MayAnswer, q.User)
	})}, nil
}

// cancel is DeleteChallenge.
func (k *Socket) cancel(c *localCall) (any, error) {
	if _, err := c.bodiless(); err != nil {
		return nil, err
	}
	return nil, k.challenges.Cancel(c.from(), c.challenge)
}
