package server

import (
	"net/http"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/mfa"
)

func getDevice(s *Server, c *call, tx kms.Tx, in *iamapi.GetMFADeviceRequest) (*iamapi.GetMFADeviceResponse, error) {
	owner, shown, err := s.deviceOwner(c, tx, in.UserName)
	if err != nil {
		return nil, err
	}
	d, err := s.MFA.Device(tx, *in.SerialNumber)
	if err != nil {
		return nil, err
	}
	if d.Owner != owner {
		return nil, &iam.Error{Code: iam.CodeNoSuchEntity, Status: http.StatusNotFound,
			Message: "The MFA device with serial number " + printable(*in.SerialNumber) + " is not assigned to this user."}
	}
	return &iamapi.GetMFADeviceResponse{UserName: shown, SerialNumber: in.SerialNumber, EnableDate: api.At(d.Enabled)}, nil
}

// listDevices is one page: nobody has more devices than fit on it.
func listDevices(s *Server, c *call, tx kms.Tx, in *iamapi.ListMFADevicesRequest) (*iamapi.ListMFADevicesResponse, error) {
	owner, shown, err := s.deviceOwner(c, tx, in.UserName)
	if err != nil {
		return nil, err
	}
	if shown == nil {
		shown = new(rootName)
	}
	out := &iamapi.ListMFADevicesResponse{MFADevices: []iamapi.MFADevice{}, IsTruncated: new(false)}
	for _, serial := range iam.MFADevices(tx, owner) {
		d, err := s.MFA.Device(tx, serial)
		if err != nil {
			return nil, err
		}
		out.MFADevices = append(out.MFADevices, iamapi.MFADevice{UserName: shown, SerialNumber: &serial, EnableDate: api.At(d.Enabled)})
	}
	return out, nil
}

func listVirtualDevices(s *Server, c *call, tx kms.Tx, in *iamapi.ListVirtualMFADevicesRequest) (*iamapi.ListVirtualMFADevicesResponse, error) {
	wanted := func(d *mfa.Device) bool {
		if d.Kind() == mfa.TypePIV {
			return false // nothing virtual
		}
		switch api.Value(in.AssignmentStatus) {
		case iamapi.AssignmentStatusTypeAssigned:
			return d.Owner != ""
		case iamapi.AssignmentStatusTypeUnassigned:
			return d.Owner == ""
		}
		return true
	}
	found, next, err := s.MFA.List(tx, wanted, iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &iamapi.ListVirtualMFADevicesResponse{VirtualMFADevices: []iamapi.VirtualMFADevice{}}
	for _, d := range found {
		w := iamapi.VirtualMFADevice{SerialNumber: new(d.Serial())}
		if d.Owner != "" {
			w.EnableDate = api.At(d.Enabled)
			if w.User, err = s.deviceUser(c, tx, d.Owner); err != nil {
				return nil, err
			}
		}
		out.VirtualMFADevices = append(out.VirtualMFADevices, w)
	}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}

func (s *Server) deviceUser(c *call, tx kms.Tx, owner string) (*iamapi.User, error) {
	if owner == s.Account {
		root := iam.Root(s.Account)
		return &iamapi.User{UserId: &root.ID, Arn: &root.ARN}, nil
	}
	u, err := s.IAM.UserByID(c.ctx, tx, owner)
	if err != nil {
		return nil, err
	}
	return userBrief(u), nil
}

func listDeviceTags(s *Server, _ *call, tx kms.Tx, in *iamapi.ListMFADeviceTagsRequest) (*iamapi.ListMFADeviceTagsResponse, error) {
	d, err := s.MFA.Device(tx, *in.SerialNumber)
	if err != nil {
		return nil, err
	}
	tags, next, err := iam.PageOfTags(d.Serial(), d.Tags, iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &iamapi.ListMFADeviceTagsResponse{Tags: toWire(tags)}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}
