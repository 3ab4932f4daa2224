package server

import (
	"errors"
	"net/http"
	"strings"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

// freshKey is an access key that is being made: sealed before the transaction,
// and the secret for the one answer that shows it.
type freshKey struct {
	sealed iam.AccessKey
	secret iam.Secret
}

// sealAccessKey does the token's part of CreateAccessKey, for a user that exists.
func sealAccessKey(s *Server, c *call, in *iamapi.CreateAccessKeyRequest) error {
	name, err := s.userOrSelf(c, nil, in.UserName)
	if err != nil {
		return err
	}
	if name != "" {
		if _, err := s.IAM.User(c.ctx, nil, name); err != nil {
			return err
		}
	}
	credentials := iam.NewCredentials()
	sealed, err := s.IAM.SealKey(c.ctx, credentials)
	c.fresh = freshKey{sealed, credentials.Secret}
	return err
}

func createAccessKey(s *Server, c *call, tx kms.Tx, in *iamapi.CreateAccessKeyRequest) (*iamapi.CreateAccessKeyResponse, error) {
	name, err := s.userOrSelf(c, tx, in.UserName)
	if err != nil {
		return nil, err
	}
	k := c.fresh.sealed
	if err := s.IAM.CreateAccessKey(tx, name, k); err != nil {
		return nil, err
	}
	shown, err := s.nameShown(c, tx, name)
	if err != nil {
		return nil, err
	}
	return &iamapi.CreateAccessKeyResponse{AccessKey: &iamapi.AccessKey{
		UserName: shown, AccessKeyId: &k.ID, Status: status(k.Active), CreateDate: api.At(k.Created),
		SecretAccessKey: new(api.SecretString(c.fresh.secret)),
	}}, nil
}

// nameShown is a user's name as it is written; the root user has none.
func (s *Server) nameShown(c *call, tx kms.Tx, name string) (*string, error) {
	if name == "" {
		return nil, nil
	}
	u, err := s.IAM.User(c.ctx, tx, name)
	if err != nil {
		return nil, err
	}
	return &u.Name, nil
}

func status(active bool) *iamapi.StatusType {
	if active {
		return new(iamapi.StatusTypeActive)
	}
	return new(iamapi.StatusTypeInactive)
}

func updateAccessKey(s *Server, c *call, tx kms.Tx, in *iamapi.UpdateAccessKeyRequest) (*nothing, error) {
	name, err := s.userOrSelf(c, tx, in.UserName)
	if err != nil {
		return nil, err
	}
	if *in.Status == iamapi.StatusTypeExpired {
		return nil, &iam.Error{Code: iam.CodeInvalidInput, Status: http.StatusBadRequest,
			Message: "Status of an access key must be Active or Inactive."}
	}
	return nil, s.IAM.SetKeyActive(tx, name, *in.AccessKeyId, *in.Status == iamapi.StatusTypeActive)
}

func deleteAccessKey(s *Server, c *call, tx kms.Tx, in *iamapi.DeleteAccessKeyRequest) (*nothing, error) {
	name, err := s.userOrSelf(c, tx, in.UserName)
	if err != nil {
		return nil, err
	}
	return nil, s.IAM.DeleteAccessKey(tx, name, *in.AccessKeyId)
}

func listAccessKeys(s *Server, c *call, tx kms.Tx, in *iamapi.ListAccessKeysRequest) (*iamapi.ListAccessKeysResponse, error) {
	name, err := s.userOrSelf(c, tx, in.UserName)
	if err != nil {
		return nil, err
	}
	keys, next, err := s.IAM.AccessKeys(tx, name, iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	shown, err := s.nameShown(c, tx, name)
	if err != nil {
		return nil, err
	}
	out := &iamapi.ListAccessKeysResponse{
		AccessKeyMetadata: each(keys, func(k *iam.AccessKey) *iamapi.AccessKeyMetadata {
			return &iamapi.AccessKeyMetadata{
				UserName: shown, AccessKeyId: &k.ID, Status: status(k.Active), CreateDate: api.At(k.Created),
			}
		}),
	}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}

// resolveLastUsed asks for the right on the user whose access key it is. For a
// key that is nobody's AWS denies, whoever asks, and so do we.
func resolveLastUsed(s *Server, c *call, _ kms.Tx, in *iamapi.GetAccessKeyLastUsedRequest) ([]authz.Check, error) {
	k, err := s.IAM.AccessKey(c.ctx, api.Value(in.AccessKeyId))
	if err == nil {
		var owner iam.Principal
		if owner, err = s.IAM.Owner(c.ctx, k); err == nil {
			return []authz.Check{{Action: "iam:GetAccessKeyLastUsed", Resource: owner.ARN, Facts: resourceTags(owner.Tags)}}, nil
		}
	}
	if errors.Is(err, iam.ErrNoAccessKey) {
		err = &fault{code: "AccessDenied", status: http.StatusForbidden, sender: true,
			message: "User: " + c.caller.ARN + " is not authorized to perform iam:GetAccessKeyLastUsed on resource: access key " + *in.AccessKeyId}
	}
	return nil, err
}

func getAccessKeyLastUsed(s *Server, c *call, tx kms.Tx, in *iamapi.GetAccessKeyLastUsedRequest) (*iamapi.GetAccessKeyLastUsedResponse, error) {
	k, err := s.IAM.AccessKey(c.ctx, *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	owner, err := s.IAM.Owner(c.ctx, k)
	if err != nil {
		return nil, err
	}
	use, err := s.IAM.LastUse(tx, k.ID)
	if err != nil {
		return nil, err
	}
	out := &iamapi.GetAccessKeyLastUsedResponse{
		AccessKeyLastUsed: &iamapi.AccessKeyLastUsed{ServiceName: new("N/A"), Region: new("N/A")},
	}
	if owner.Name != "" {
		out.UserName = &owner.Name
	}
	if !use.At.IsZero() {
		out.AccessKeyLastUsed = &iamapi.AccessKeyLastUsed{
			LastUsedDate: api.At(use.At), ServiceName: &use.Service, Region: &use.Region,
		}
	}
	return out, nil
}

// noteUse keeps when the access key of a call, or the role of a session, was used
// last. It writes nothing.
func (s *Server) noteUse(c *call, temporary bool) {
	id := c.identity.AccessKeyID
	if temporary {
		if c.caller.Type != iam.TypeAssumedRole {
			return
		}
		id, _, _ = strings.Cut(c.caller.ID, ":")
	}
	s.IAM.Used(id, c.service.SigningName, c.region, c.received)
}
