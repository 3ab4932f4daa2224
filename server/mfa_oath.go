package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/mfa"
)

// mfaOATHRoutes is the part of the table about devices that show codes, recovery
// codes, and how it stands with a user's devices. The first is authorized on the
// device, as CreateVirtualMFADevice is, the others on the user.
func mfaOATHRoutes() []*route {
	return []*route{
		preparing(change(mfaOp("CreateOATHDevice"), levelWrite, resolveCreateOATH, createOATH), draftOATH).slow(),
		change(mfaOp("CreateRecoveryCodes"), levelWrite, onDeviceOwner("keyd:CreateRecoveryCodes", recoveryUser), createRecoveryCodes),
		view(mfaOp("DescribeMFADevices"), levelRead, onDeviceOwner("keyd:DescribeMFADevices", describeMFAUser), describeMFA),
		change(mfaOp("UnlockMFA"), levelWrite, onDeviceOwner("keyd:UnlockMFA", unlockMFAUser), unlockMFA),
	}
}

func recoveryUser(in *mfaapi.CreateRecoveryCodesRequest) *string   { return in.UserName }
func describeMFAUser(in *mfaapi.DescribeMFADevicesRequest) *string { return in.UserName }
func unlockMFAUser(in *mfaapi.UnlockMFARequest) *string            { return in.UserName }

// resolveCreateOATH: whoever gives the device tags must be allowed to tag it as well.
func resolveCreateOATH(s *Server, _ *call, _ kms.Tx, in *mfaapi.CreateOATHDeviceRequest) ([]authz.Check, error) {
	arn := s.IAM.ARN("mfa", pathOr(in.Path), api.Value(in.DeviceName))
	facts := mfaRequestTags(in.Tags)
	checks := []authz.Check{{Action: "keyd:CreateOATHDevice", Resource: arn, Facts: facts}}
	if len(in.Tags) > 0 {
		checks = append(checks, authz.Check{Action: "iam:TagMFADevice", Resource: arn, Facts: facts})
	}
	return checks, nil
}

// draftOATH brings the seed into the token. One that was sent is overwritten here,
// and stays in the body of the request until that is collected.
func draftOATH(s *Server, c *call, in *mfaapi.CreateOATHDeviceRequest) (err error) {
	defer clear(in.Seed)
	w := &c.device
	w.draft, w.shown, err = s.MFA.Draft(c.ctx, mfa.NewDevice{
		Name: *in.DeviceName, Path: pathOr(in.Path), Tags: mfaTags(in.Tags), Type: string(api.Value(in.Type)),
		OATH: mfa.OATH{
			Digits: int(api.Value(in.Digits)), Algorithm: string(api.Value(in.Algorithm)), Period: int(api.Value(in.Period)),
		},
		Seed: in.Seed, Counter: api.Value(in.Counter),
	})
	if err == nil {
		c.undo = func() { s.MFA.Forget(w.draft) }
	}
	return err
}

// createOATH shows a seed that was made here, and no other.
func createOATH(s *Server, c *call, tx kms.Tx, _ *mfaapi.CreateOATHDeviceRequest) (*mfaapi.CreateOATHDeviceResponse, error) {
	w := &c.device
	if err := s.MFA.Create(tx, w.draft); err != nil {
		return nil, err
	}
	device, err := wireDevice(w.draft)
	if err != nil {
		return nil, err
	}
	out := &mfaapi.CreateOATHDeviceResponse{Device: &device, QRCodePNG: w.shown.PNG}
	if w.shown.URI != "" {
		out.Base32StringSeed, out.URI = new(api.SecretString(w.shown.Base32)), new(api.SecretString(w.shown.URI))
	}
	return out, nil
}

func createRecoveryCodes(s *Server, c *call, tx kms.Tx, in *mfaapi.CreateRecoveryCodesRequest) (*mfaapi.CreateRecoveryCodesResponse, error) {
	owner, _, err := s.deviceOwner(c, tx, in.UserName)
	if err != nil {
		return nil, err
	}
	codes, err := s.MFA.CreateRecoveryCodes(tx, owner)
	if err != nil {
		return nil, err
	}
	out := &mfaapi.CreateRecoveryCodesResponse{}
	for _, code := range codes {
		out.Codes = append(out.Codes, api.SecretString(code))
	}
	return out, nil
}

func describeMFA(s *Server, c *call, tx kms.Tx, in *mfaapi.DescribeMFADevicesRequest) (*mfaapi.DescribeMFADevicesResponse, error) {
	owner, shown, err := s.deviceOwner(c, tx, in.UserName)
	if err != nil {
		return nil, err
	}
	if shown == nil {
		shown = new(rootName)
	}
	status, err := s.MFA.Describe(tx, owner)
	if err != nil {
		return nil, err
	}
	out := &mfaapi.DescribeMFADevicesResponse{
		UserName: shown, Devices: []mfaapi.Device{}, Failures: new(int32(status.Failures)),
		Locked: &status.Locked, RecoveryCodesLeft: new(int32(status.RecoveryCodesLeft)),
	}
	for _, d := range status.Devices {
		w, err := wireDevice(d)
		if err != nil {
			return nil, err
		}
		w.UserName = shown
		w.Failures, w.Locked = new(int32(d.Failures.Count)), new(d.Locked())
		out.Devices = append(out.Devices, w)
	}
	return out, nil
}

func unlockMFA(s *Server, c *call, tx kms.Tx, in *mfaapi.UnlockMFARequest) (*nothing, error) {
	owner, _, err := s.deviceOwner(c, tx, in.UserName)
	if err != nil {
		return nil, err
	}
	return nil, s.MFA.Unlock(tx, owner)
}

// wireDevice is a device as keyd's own operations show it.
func wireDevice(d *mfa.Device) (mfaapi.Device, error) {
	if d.Kind() == mfa.TypePIV {
		return pivDevice(d)
	}
	o := d.Codes()
	w := mfaapi.Device{
		SerialNumber: new(d.Serial()), Type: new(mfaapi.DeviceType(d.Kind())), Attested: new(false),
		Digits: new(int32(o.Digits)), Algorithm: new(mfaapi.HashAlgorithm(o.Algorithm)),
	}
	if o.Period > 0 {
		w.Period = new(int32(o.Period))
	}
	if !d.Enabled.IsZero() {
		w.EnableDate = api.At(d.Enabled)
	}
	return w, nil
}
