package protocol

import "time"

// Version is that of the protocol, in every challenge.
const Version = 1

// Methods that a person answers by.
const (
	TOTP     = "totp"
	HOTP     = "hotp"
	PIV      = "piv"
	Recovery = "recovery"
)

// States of a challenge.
const (
	Pending  = "pending"
	Verified = "verified"
	Rejected = "rejected"
	Expired  = "expired"
)

// Codes of errors.
const (
	CodeInvalid    = "invalid"
	CodeNotAllowed = "not_allowed"
	CodeRefused    = "refused"
	CodeNoSuch     = "no_such_challenge"
	CodeTooMany    = "too_many"
	CodeInternal   = "internal"
	CodeSealed     = "sealed"
)

// Ask is what a program asks: is this user here, now, for this purpose?
type Ask struct {
	User    string   `json:"user"`
	Purpose string   `json:"purpose"`
	Methods []string `json:"methods,omitempty"`
	// TTLSeconds is 0 for a minute.
	TTLSeconds int `json:"ttl_seconds,omitempty"`
	// Credentials of the user are wanted; DurationSeconds is 0 for twelve hours.
	Credentials     bool `json:"credentials,omitempty"`
	DurationSeconds int  `json:"duration_seconds,omitempty"`
}

// Challenge is a question that waits for the person.
type Challenge struct {
	Version     int       `json:"version"`
	ID          string    `json:"id"`
	Account     string    `json:"account"`
	User        string    `json:"user"`
	Purpose     string    `json:"purpose"`
	Methods     []string  `json:"methods"`
	Nonce       []byte    `json:"nonce"`
	Credentials bool      `json:"credentials"`
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires"`
	Asker       Asker     `json:"asker"`
	Devices     []Device  `json:"devices,omitempty"`
}

// Asker is the local program that asked, as the kernel names it.
type Asker struct {
	UID  uint32 `json:"uid"`
	PID  int32  `json:"pid"`
	Name string `json:"name,omitempty"` // of the local user
}

// Device is a security key that can answer.
type Device struct {
	SerialNumber string `json:"serial_number"`
	Method       string `json:"method"`
	// PublicKeySHA256 is the hash of its SubjectPublicKeyInfo in DER.
	PublicKeySHA256 []byte `json:"public_key_sha256"`
	Slot            string `json:"slot,omitempty"` // in hexadecimal, as "9a"
	Card            uint32 `json:"card,omitempty"` // serial number printed on it; 0 if not known
}

// Message is what d signs to answer c.
func (c *Challenge) Message(d Device) Message {
	m := Message{
		Kind: KindChallenge, Account: c.Account, ID: c.ID, Nonce: c.Nonce, User: c.User, Purpose: c.Purpose, Device: d.SerialNumber,
	}
	if c.Credentials {
		m.Grants = GrantsCredentials
	}
	return m
}

// Challenges is a list of those that wait.
type Challenges struct {
	Challenges []Challenge `json:"challenges"`
}

// Answer is a code, or a device and its signature over [Challenge.Message].
type Answer struct {
	Code      string `json:"code,omitempty"`
	Device    string `json:"device,omitempty"`
	Signature []byte `json:"signature,omitempty"`
}

// Outcome says what came of a challenge.
type Outcome struct {
	State       string    `json:"state"`
	Method      string    `json:"method,omitempty"`
	Device      string    `json:"device,omitempty"` // serial number; "" for a recovery code
	At          time.Time `json:"at,omitzero"`
	Attested    bool      `json:"attested,omitempty"`
	TouchPolicy string    `json:"touch_policy,omitempty"`
	// Credentials are there once, where they were asked for and policies allow it;
	// CredentialsRefused is why not.
	Credentials        *Credentials `json:"credentials,omitempty"`
	CredentialsRefused string       `json:"credentials_refused,omitempty"`
}

// Credentials are temporary ones that carry the MFA facts.
type Credentials struct {
	AccessKeyID     string    `json:"access_key_id"`
	SecretAccessKey string    `json:"secret_access_key"`
	SessionToken    string    `json:"session_token"`
	Expiration      time.Time `json:"expiration"`
}

// String keeps the secret out of logs.
func (Credentials) String() string { return "[redacted]" }

// GoString keeps %#v from showing it.
func (Credentials) GoString() string { return "[redacted]" }

// Error is the answer to a request that came to nothing.
type Error struct {
	Code    string `json:"error"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return e.Message }
