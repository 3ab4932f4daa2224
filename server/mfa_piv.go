package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/mfa"
)

// mfaPIVRoutes is the part of the table that enrols security keys. Both are
// authorized on the user whose device it will be, as EnableMFADevice is, and the
// first on the device too, as CreateVirtualMFADevice is: a name is not everybody's
// to take.
func mfaPIVRoutes() []*route {
	return []*route{
		use(mfaOp("BeginPIVEnrollment"), levelWrite, resolveBeginPIV, nil, beginPIV),
		preparing(change(mfaOp("EnrollPIVDevice"), levelWrite, resolveEnrollPIV, enrollPIV), provePIV),
	}
}

func resolveBeginPIV(s *Server, c *call, tx kms.Tx, in *mfaapi.BeginPIVEnrollmentRequest) ([]authz.Check, error) {
	const action = "keyd:BeginPIVEnrollment"
	checks, err := onDeviceOwner(action, beginPIVUser)(s, c, tx, in)
	return append(checks, authz.Check{Action: action, Resource: s.IAM.ARN("mfa", pathOr(in.Path), *in.DeviceName)}), err
}

func beginPIVUser(in *mfaapi.BeginPIVEnrollmentRequest) *string { return in.UserName }
func enrollPIVUser(in *mfaapi.EnrollPIVDeviceRequest) *string   { return in.UserName }

// resolveEnrollPIV is onDeviceOwner. Whoever gives the device tags must be allowed
// to tag it as well, as with CreateVirtualMFADevice.
func resolveEnrollPIV(s *Server, c *call, tx kms.Tx, in *mfaapi.EnrollPIVDeviceRequest) ([]authz.Check, error) {
	facts := mfaRequestTags(in.Tags)
	checks, err := onDeviceOwner("keyd:EnrollPIVDevice", enrollPIVUser)(s, c, tx, in)
	if err != nil || len(facts) == 0 {
		return checks, err
	}
	checks[0] = with(checks[0], facts...)
	serial, ok := s.MFA.Enrolling(begunBy(c.caller), *in.EnrollmentId)
	if c.device.draft != nil {
		serial, ok = c.device.draft.Serial(), true
	}
	if ok { // else the enrolment is refused
		checks = append(checks, authz.Check{Action: "iam:TagMFADevice", Resource: serial, Facts: facts})
	}
	return checks, nil
}

// mfaRequestTags is requestTags for keyd's own operations.
func mfaRequestTags(tags []mfaapi.Tag) []authz.Fact {
	var keys []string
	var facts []authz.Fact
	for _, t := range tags {
		keys = append(keys, api.Value(t.Key))
		facts = append(facts, authz.Fact{Key: "aws:RequestTag/" + api.Value(t.Key), Values: []string{api.Value(t.Value)}})
	}
	return append(facts, tagKeys(keys)...)
}

// begunBy is how an enrolment remembers who began it. An ARN can go to another
// user when its own is gone; a unique id cannot.
func begunBy(p iam.Principal) string { return p.ARN + " " + p.ID }

func beginPIV(s *Server, c *call, in *mfaapi.BeginPIVEnrollmentRequest) (*mfaapi.BeginPIVEnrollmentResponse, error) {
	owner, shown, err := s.deviceOwner(c, nil, in.UserName)
	if err != nil {
		return nil, err
	}
	user := rootName
	if shown != nil {
		user = *shown
	}
	var e mfa.Enrollment
	err = s.State.View(c.ctx, func(tx kms.Tx) (err error) {
		e, err = s.MFA.BeginPIV(tx, begunBy(c.caller), owner, user, mfa.NewDevice{Name: *in.DeviceName, Path: pathOr(in.Path)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &mfaapi.BeginPIVEnrollmentResponse{
		EnrollmentId: &e.ID, Nonce: e.Nonce, SerialNumber: &e.Serial, UserName: &e.User, Account: &e.Account, Expiration: api.At(e.Expires),
	}, nil
}

// provePIV checks signature and attestation, which need no transaction.
func provePIV(s *Server, c *call, in *mfaapi.EnrollPIVDeviceRequest) error {
	owner, _, err := s.deviceOwner(c, nil, in.UserName)
	if err != nil {
		return err
	}
	c.device.draft, err = s.MFA.ProvePIV(begunBy(c.caller), owner, mfa.PIVProof{
		Enrollment: *in.EnrollmentId, Slot: *in.Slot, Public: in.PublicKey, Signature: in.Signature,
		Certificate: in.AttestationCertificate, Intermediate: in.IntermediateCertificate, Tags: mfaTags(in.Tags),
	})
	return err
}

func mfaTags(tags []mfaapi.Tag) []iam.Tag {
	out := make([]iam.Tag, len(tags))
	for i, t := range tags {
		out[i] = iam.Tag{Key: api.Value(t.Key), Value: api.Value(t.Value)}
	}
	return out
}

func enrollPIV(s *Server, c *call, tx kms.Tx, in *mfaapi.EnrollPIVDeviceRequest) (*mfaapi.EnrollPIVDeviceResponse, error) {
	owner, shown, err := s.deviceOwner(c, tx, in.UserName)
	if err != nil {
		return nil, err
	}
	d := c.device.draft
	if d.Owner != owner { // the name went to another user meanwhile
		return nil, &iam.Error{Code: mfa.CodeNoSuchChallenge, Message: "The enrollment is another user's.", Status: mfaapi.NoSuchChallengeException.Status}
	}
	if err := s.MFA.EnrollPIV(tx, d); err != nil {
		return nil, err
	}
	shownDevice, err := pivDevice(d)
	if err != nil {
		return nil, err
	}
	shownDevice.UserName = shown
	if shown == nil {
		shownDevice.UserName = new(rootName)
	}
	return &mfaapi.EnrollPIVDeviceResponse{Device: &shownDevice}, nil
}

// pivDevice describes a security key. The audit log shows the same, but for the
// fingerprint.
func pivDevice(d *mfa.Device) (mfaapi.Device, error) {
	kind, err := d.PIV.Kind()
	if err != nil {
		return mfaapi.Device{}, err
	}
	k := *d.PIV
	out := mfaapi.Device{
		SerialNumber: new(d.Serial()), Type: new(mfaapi.DeviceTypePiv), Slot: &k.Slot, PublicKeySHA256: k.Fingerprint(), KeyAlgorithm: &kind,
		Attested: &k.Attested,
	}
	if !d.Enabled.IsZero() {
		out.EnableDate = api.At(d.Enabled)
	}
	if k.Attested {
		out.CardSerial, out.Firmware, out.PINPolicy, out.TouchPolicy = new(int64(k.Card)), &k.Firmware, &k.PINPolicy, &k.TouchPolicy
	}
	return out, nil
}
