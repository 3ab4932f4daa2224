package command

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/internal/term"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// MainContext lets tests end a verb that follows for ever.
var MainContext = mainContext

// MatchesAction is the wildcards of policy summary.
var MatchesAction = matchesAction

// AccessLevels are the levels of all actions with this prefix.
func AccessLevels(prefix string) map[string]string {
	levels := map[string]string{}
	for _, a := range actions {
		if strings.HasPrefix(a.name, prefix) {
			levels[a.name] = a.level
		}
	}
	return levels
}

// ParseMaterial finds key material in a file.
var ParseMaterial = parseMaterial

// PublicForms writes a public key as JWK and for SSH.
func PublicForms(der []byte) (jwk, ssh []byte, err error) {
	k, err := parsePublic(der)
	if err != nil {
		return nil, nil, err
	}
	if jwk, err = k.jwk("id"); err != nil {
		return nil, nil, err
	}
	ssh, err = k.ssh("id")
	return jwk, ssh, err
}

// ParseSeed reads the seed of a token.
var ParseSeed = parseSeed

// ReadCode reads a code as PAM gives it.
var ReadCode = readCode

// DrawQR draws a QR code for a terminal.
var DrawQR = drawQR

// ParsePAM is who logs in and what for, by an environment.
func ParsePAM(environ []byte) (user, purpose string, err error) {
	facts, err := parsePAM(environ)
	return facts.user, facts.purpose(), err
}

// FindCard is the card on which a key with this fingerprint is, for a user who has
// no other device.
func FindCard(ctx context.Context, slot string, fingerprint []byte) (card uint32, err error) {
	_, k, err := find(ctx, "alice", []securityKey{{serial: "key", sha256: fingerprint, slot: slot}})
	return k.card, err
}

// ShowChallenge is what the person sees of a question.
func ShowChallenge(ch protocol.Challenge) (string, error) {
	var b bytes.Buffer
	err := challengeFacts(ch, time.Now()).Write(&b, term.Style{})
	return b.String(), err
}

// ShortPurpose is what a list shows of a purpose.
var ShortPurpose = shortPurpose

// MarkedSpaces stands for several spaces on end.
const MarkedSpaces = openBox
