// Package protocol is what both ends of the MFA socket share: the JSON of
// requests and answers, and the message that a security key signs. docs/spec/mfa.md
// specifies both.
//
// Most callers need one call: [Message.Bytes]. Whoever signs fills a Message with
// what the person was shown, and never signs bytes that were sent.
package protocol

import "encoding/binary"

// Kinds of messages.
const (
	KindChallenge  = "challenge"
	KindEnrollment = "enrollment"
)

// GrantsCredentials is the Grants of a challenge whose asker gets credentials.
const GrantsCredentials = "credentials"

// NonceSize is the length of a nonce in bytes.
const NonceSize = 32

// messageLabel keeps signatures of ours apart from all others of the key.
const messageLabel = "keyd MFA v1\n"

// Message is what a security key signs, field by field.
type Message struct {
	Kind    string
	Account string
	ID      string
	Nonce   []byte
	User    string
	Purpose string
	Grants  string
	Device  string // serial number
}

// Bytes is the message in its one encoding: no two Messages share one.
func (m Message) Bytes() []byte {
	out := []byte(messageLabel)
	for _, field := range []string{m.Kind, m.Account, m.ID, string(m.Nonce), m.User, m.Purpose, m.Grants, m.Device} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(field)))
		out = append(out, field...)
	}
	return out
}
