package mfa

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// Enrollment is an enrolment that was begun: what the new key has to sign, who may
// end it, and until when.
type Enrollment struct {
	ID      string // 128 random bits in hexadecimal
	Nonce   []byte
	Caller  string // who began it, and alone may end it
	Owner   string // whose device it will be
	User    string // the owner's name, as the key signs it
	Name    string // of the device
	Path    string
	Serial  string // of the device
	Account string
	Expires time.Time
}

// Message is what the new key signs.
func (e Enrollment) Message() protocol.Message {
	return protocol.Message{
		Kind: protocol.KindEnrollment, Account: e.Account, ID: e.ID, Nonce: e.Nonce, User: e.User, Purpose: e.Name, Device: e.Serial,
	}
}

// Limits of the enrolments that are under way. They are in memory only: a restart
// ends them, and each can be begun again.
const (
	enrollmentTime    = 10 * time.Minute
	enrollmentsOfEach = 16 // caller, and owner
	maxEnrollments    = 1024
)

// enrollments are those under way, by id.
type enrollments struct {
	mu  sync.Mutex // guards all
	all map[string]Enrollment
}

// add keeps e; LimitExceeded where there are too many.
func (t *enrollments) add(e Enrollment, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	mine := 0
	for id, other := range t.all {
		switch {
		case !now.Before(other.Expires):
			delete(t.all, id)
		case other.Caller == e.Caller || other.Owner == e.Owner: // callers with many sessions count by the owner
			mine++
		}
	}
	if mine >= enrollmentsOfEach || len(t.all) >= maxEnrollments {
		return &iam.Error{Code: iam.CodeLimitExceeded, Status: 409,
			Message: "Too many enrollments are under way. Finish one of them, or wait ten minutes."}
	}
	if t.all == nil {
		t.all = make(map[string]Enrollment)
	}
	t.all[e.ID] = e
	return nil
}

// take gives the enrolment to who began it, once.
func (t *enrollments) take(id, caller, owner string, now time.Time) (Enrollment, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.all[id]
	if !ok || e.Caller != caller || e.Owner != owner {
		return Enrollment{}, false
	}
	delete(t.all, id)
	return e, now.Before(e.Expires)
}

// Enrolling is the serial number that the device of an enrolment will have, for who
// began it.
func (s *Service) Enrolling(caller, id string) (serial string, ok bool) {
	t := &s.enrollments
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.all[id]
	return e.Serial, ok && e.Caller == caller
}

// BeginPIV begins the enrolment of a security key as a device of an owner, whose
// name is user. The result is good once, for the same caller, and for ten minutes.
// EntityAlreadyExists if the device's name is taken, LimitExceeded where too much
// is under way.
func (s *Service) BeginPIV(tx Tx, caller, owner, user string, in NewDevice) (Enrollment, error) {
	path, err := iam.CheckPath(in.Path)
	if err != nil {
		return Enrollment{}, err
	}
	d := &Device{Name: in.Name, Path: path, Account: s.Account}
	if len(d.Serial()) > maxSerial {
		return Enrollment{}, refuse(iam.CodeValidation, "The serial number %s would be longer than %d characters.", d.Serial(), maxSerial)
	}
	if err := s.free(tx, d.Serial()); err != nil {
		return Enrollment{}, err
	}
	var id [16]byte
	nonce := make([]byte, protocol.NonceSize)
	_, _ = rand.Read(id[:]) // never fails: see crypto/rand
	_, _ = rand.Read(nonce)
	now := s.RealTime()
	e := Enrollment{
		ID: hex.EncodeToString(id[:]), Nonce: nonce, Caller: caller, Owner: owner, User: user,
		Name: in.Name, Path: path, Serial: d.Serial(), Account: s.Account, Expires: now.Add(enrollmentTime).UTC(),
	}
	return e, s.enrollments.add(e, now)
}

// free refuses a serial number that is taken.
func (s *Service) free(tx Tx, serial string) error {
	switch _, err := s.Device(tx, serial); {
	case err == nil:
		return refuse(iam.CodeAlreadyExists,
			"MFADevice entity at the same path and name already exists. Delete the existing object, and try again.")
	case !isNoSuch(err):
		return err
	}
	return nil
}
