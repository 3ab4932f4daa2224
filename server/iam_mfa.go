package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/mfa"
)

// iamMFARoutes is the part of the table about MFA devices. As in AWS, those that
// make, tag and delete a device are authorized on it, the others on its user.
func iamMFARoutes() []*route {
	return []*route{
		preparing(change(iamOp("CreateVirtualMFADevice"), levelWrite, resolveCreateDevice, createDevice), draftDevice).slow(),
		change(iamOp("DeleteVirtualMFADevice"), levelWrite, onDevice("iam:DeleteVirtualMFADevice", deleteDeviceSerial), deleteDevice),
		preparing(change(iamOp("EnableMFADevice"), levelWrite, onDeviceOwner("iam:EnableMFADevice", enableDeviceUser), enableDevice), proveNew),
		preparing(change(iamOp("ResyncMFADevice"), levelWrite, onDeviceOwner("iam:ResyncMFADevice", resyncDeviceUser), resyncDevice), proveHeld),
		change(iamOp("DeactivateMFADevice"), levelWrite, onDeviceOwner("iam:DeactivateMFADevice", deactivateDeviceUser), deactivateDevice),
		view(iamOp("GetMFADevice"), levelRead, onDeviceOwner("iam:GetMFADevice", getDeviceUser), getDevice),
		view(iamOp("ListMFADevices"), levelList, onDeviceOwner("iam:ListMFADevices", listDevicesUser), listDevices),
		view(iamOp("ListVirtualMFADevices"), levelList,
			onAny[iamapi.ListVirtualMFADevicesRequest]("iam:ListVirtualMFADevices", "mfa"), listVirtualDevices),
		change(iamOp("TagMFADevice"), levelTagging, tagging(onDevice("iam:TagMFADevice", tagDeviceSerial), tagDeviceFacts), tagDevice),
		change(iamOp("UntagMFADevice"), levelTagging, tagging(onDevice("iam:UntagMFADevice", untagDeviceSerial), untagDeviceFacts), untagDevice),
		view(iamOp("ListMFADeviceTags"), levelList, onDevice("iam:ListMFADeviceTags", listDeviceTagsSerial), listDeviceTags),
	}
}

// Members of the inputs, for the table.
func deleteDeviceSerial(in *iamapi.DeleteVirtualMFADeviceRequest) *string { return in.SerialNumber }
func enableDeviceUser(in *iamapi.EnableMFADeviceRequest) *string          { return in.UserName }
func resyncDeviceUser(in *iamapi.ResyncMFADeviceRequest) *string          { return in.UserName }
func deactivateDeviceUser(in *iamapi.DeactivateMFADeviceRequest) *string  { return in.UserName }
func getDeviceUser(in *iamapi.GetMFADeviceRequest) *string                { return in.UserName }
func listDevicesUser(in *iamapi.ListMFADevicesRequest) *string            { return in.UserName }
func tagDeviceSerial(in *iamapi.TagMFADeviceRequest) *string              { return in.SerialNumber }
func untagDeviceSerial(in *iamapi.UntagMFADeviceRequest) *string          { return in.SerialNumber }
func listDeviceTagsSerial(in *iamapi.ListMFADeviceTagsRequest) *string    { return in.SerialNumber }
func tagDeviceFacts(in *iamapi.TagMFADeviceRequest) []authz.Fact          { return requestTags(in.Tags) }
func untagDeviceFacts(in *iamapi.UntagMFADeviceRequest) []authz.Fact      { return tagKeys(in.TagKeys) }

// deviceWork is what prepare does for an operation on an MFA device.
type deviceWork struct {
	draft *mfa.Device
	shown mfa.Shown
	pair  mfa.Pair
}

// onDevice resolves an operation on the device of a serial number. One that does
// not exist is authorized as it was named.
func onDevice[I any](action string, serial func(*I) *string) resolver[I] {
	return func(s *Server, c *call, tx kms.Tx, in *I) ([]authz.Check, error) {
		check := authz.Check{Action: action, Resource: api.Value(serial(in))}
		var d *mfa.Device
		err := s.read(c, tx, func(tx kms.Tx) (err error) {
			d, err = s.MFA.Device(tx, check.Resource)
			return err
		})
		if err == nil {
			check.Facts = resourceTags(d.Tags)
		} else if !isNoSuchEntity(err) {
			return nil, err
		}
		return []authz.Check{check}, nil
	}
}

// read runs fn in the transaction of a change or, where there is none, in a view.
func (s *Server) read(c *call, tx kms.Tx, fn func(kms.Tx) error) error {
	if tx != nil {
		return fn(tx)
	}
	return s.State.View(c.ctx, fn)
}

// rootName is how the root user names itself where AWS's clients insist on a user
// name. To the root user it is itself even where a user has that name.
const rootName = "root"

// deviceOwnerName is userOrSelf for operations on somebody's devices.
func (s *Server) deviceOwnerName(c *call, tx kms.Tx, name *string) (string, error) {
	if c.caller.IsRoot() && api.Value(name) == rootName {
		return "", nil
	}
	return s.userOrSelf(c, tx, name)
}

// onDeviceOwner is onUserOrSelf by deviceOwnerName.
func onDeviceOwner[I any](action string, name func(*I) *string) resolver[I] {
	return func(s *Server, c *call, tx kms.Tx, in *I) ([]authz.Check, error) {
		user, err := s.deviceOwnerName(c, tx, name(in))
		if err != nil {
			return nil, err
		}
		if user == "" {
			return []authz.Check{{Action: action, Resource: iam.Root(s.Account).ARN}}, nil
		}
		check, err := s.entityCheck(c, tx, action, iam.KindUser, user)
		return []authz.Check{check}, err
	}
}

// deviceOwner is whose devices an operation is about: as package mfa calls them, and the
// user name that is shown, nil for the root user.
func (s *Server) deviceOwner(c *call, tx kms.Tx, name *string) (owner string, shown *string, err error) {
	user, err := s.deviceOwnerName(c, tx, name)
	if err != nil {
		return "", nil, err
	}
	if user == "" {
		return s.Account, nil, nil
	}
	u, err := s.IAM.User(c.ctx, tx, user)
	if err != nil {
		return "", nil, err
	}
	return u.ID, &u.Name, nil
}

func resolveCreateDevice(s *Server, _ *call, _ kms.Tx, in *iamapi.CreateVirtualMFADeviceRequest) ([]authz.Check, error) {
	arn := s.IAM.ARN("mfa", pathOr(in.Path), api.Value(in.VirtualMFADeviceName))
	return creation("iam:CreateVirtualMFADevice", "iam:TagMFADevice", arn, in.Tags, nil), nil
}

func draftDevice(s *Server, c *call, in *iamapi.CreateVirtualMFADeviceRequest) (err error) {
	w := &c.device
	w.draft, w.shown, err = s.MFA.Draft(c.ctx, mfa.NewDevice{
		Name: *in.VirtualMFADeviceName, Path: pathOr(in.Path), Tags: fromWire(in.Tags),
	})
	if err == nil {
		c.undo = func() { s.MFA.Forget(w.draft) }
	}
	return err
}

func createDevice(s *Server, c *call, tx kms.Tx, _ *iamapi.CreateVirtualMFADeviceRequest) (*iamapi.CreateVirtualMFADeviceResponse, error) {
	w := &c.device
	if err := s.MFA.Create(tx, w.draft); err != nil {
		return nil, err
	}
	return &iamapi.CreateVirtualMFADeviceResponse{VirtualMFADevice: &iamapi.VirtualMFADevice{
		SerialNumber: new(w.draft.Serial()), Base32StringSeed: w.shown.Base32, QRCodePNG: w.shown.PNG, Tags: someTags(w.draft.Tags),
	}}, nil
}

func deleteDevice(s *Server, c *call, tx kms.Tx, in *iamapi.DeleteVirtualMFADeviceRequest) (*nothing, error) {
	d, err := s.MFA.Delete(tx, *in.SerialNumber)
	if err != nil {
		return nil, err
	}
	c.done = func() { s.MFA.Forget(d) }
	return nil, nil
}

// proveNew checks the two codes of a device that is to be enabled.
func proveNew(s *Server, c *call, in *iamapi.EnableMFADeviceRequest) (err error) {
	if _, _, err := s.deviceOwner(c, nil, in.UserName); err != nil {
		return err
	}
	c.device.pair, err = s.MFA.Prove(c.ctx, "", *in.SerialNumber, string(*in.AuthenticationCode1), string(*in.AuthenticationCode2))
	return err
}

func enableDevice(s *Server, c *call, tx kms.Tx, in *iamapi.EnableMFADeviceRequest) (*nothing, error) {
	owner, _, err := s.deviceOwner(c, tx, in.UserName)
	if err != nil {
		return nil, err
	}
	return nil, s.MFA.Enable(tx, owner, *in.SerialNumber, c.device.pair)
}

// proveHeld checks the two codes of a device that is to be resynchronized.
func proveHeld(s *Server, c *call, in *iamapi.ResyncMFADeviceRequest) error {
	owner, _, err := s.deviceOwner(c, nil, in.UserName)
	if err != nil {
		return err
	}
	c.device.pair, err = s.MFA.Prove(c.ctx, owner, *in.SerialNumber, string(*in.AuthenticationCode1), string(*in.AuthenticationCode2))
	return err
}

func resyncDevice(s *Server, c *call, tx kms.Tx, in *iamapi.ResyncMFADeviceRequest) (*nothing, error) {
	return nil, s.MFA.Resync(tx, *in.SerialNumber, c.device.pair)
}

func deactivateDevice(s *Server, c *call, tx kms.Tx, in *iamapi.DeactivateMFADeviceRequest) (*nothing, error) {
	owner, _, err := s.deviceOwner(c, tx, in.UserName)
	if err != nil {
		return nil, err
	}
	return nil, s.MFA.Deactivate(tx, owner, *in.SerialNumber)
}

func tagDevice(s *Server, _ *call, tx kms.Tx, in *iamapi.TagMFADeviceRequest) (*nothing, error) {
	return nil, s.MFA.Tag(tx, *in.SerialNumber, fromWire(in.Tags))
}

func untagDevice(s *Server, _ *call, tx kms.Tx, in *iamapi.UntagMFADeviceRequest) (*nothing, error) {
	return nil, s.MFA.Untag(tx, *in.SerialNumber, in.TagKeys)
}
