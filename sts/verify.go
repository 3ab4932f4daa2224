package sts

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/iam"
)

// Verify finds the principal that a session token proves, for the access key
// that signed. The user or role behind it is looked up as it stands now.
//
// It returns ErrInvalidToken or ErrExpiredToken for a token that is no good, and
// an error that wraps the sealer's when the token does not open.
func (s *Service) Verify(ctx context.Context, accessKeyID, token string) (iam.Principal, error) {
	f, err := s.factsOf(ctx, token)
	if err != nil {
		return iam.Principal{}, err
	}
	if f.AccessKeyID != accessKeyID {
		return iam.Principal{}, ErrInvalidToken
	}
	if !s.Clock().Before(f.Expires) {
		return iam.Principal{}, ErrExpiredToken
	}
	if gone, err := s.IAM.SessionRevoked(ctx, f.Entity, f.Issued); err != nil {
		return iam.Principal{}, err
	} else if gone {
		return iam.Principal{}, ErrExpiredToken
	}
	p, err := s.principal(ctx, f)
	if refusal := (*iam.Error)(nil); errors.As(err, &refusal) {
		return iam.Principal{}, ErrInvalidToken // the user or role is no more
	}
	return p, err
}

// Secret opens the secret access key of a session, and says when it ends. The
// caller wipes the secret after use. Whether the session is still good is
// [Service.Verify]'s question.
func (s *Service) Secret(ctx context.Context, accessKeyID, token string) (secret []byte, expires time.Time, err error) {
	f, err := s.open(ctx, token)
	if err != nil {
		return nil, time.Time{}, err
	}
	if f.AccessKeyID != accessKeyID {
		return nil, time.Time{}, ErrInvalidToken
	}
	return []byte(f.Secret), f.Expires, nil
}

// principal is who bears the session (rule 2.1). An *iam.Error says that the
// user or role it belongs to is not there.
func (s *Service) principal(ctx context.Context, f *facts) (iam.Principal, error) {
	p := iam.Principal{Type: f.Type, Account: s.Account, Session: f.session}
	switch f.Type {
	case iam.TypeAssumedRole:
		role, err := s.IAM.RoleByID(ctx, nil, f.Entity)
		if err != nil {
			return p, err
		}
		p.ARN, p.Parent = s.sessionARN("assumed-role/"+role.Name+"/"+f.Name), role.ARN()
		p.ID, p.ParentID, p.Tags = role.ID+":"+f.Name, role.ID, merged(role.Tags, f.Tags)
		return p, nil
	case iam.TypeRoot:
		root := iam.Root(s.Account)
		p.ARN, p.ID = root.ARN, root.ID
		return p, nil
	case iam.TypeUser, iam.TypeFederatedUser:
	default:
		return p, ErrInvalidToken
	}
	parent, tags := iam.Root(s.Account).ARN, map[string]string(nil)
	if f.Entity != s.Account {
		user, err := s.IAM.UserByID(ctx, nil, f.Entity)
		if err != nil {
			return p, err
		}
		parent, tags, p.Name = user.ARN(), user.Tags, user.Name
	}
	if f.Type == iam.TypeUser {
		p.ARN, p.ID, p.Tags = parent, f.Entity, tags
		return p, nil
	}
	p.ARN, p.Parent, p.Name = s.sessionARN("federated-user/"+f.Name), parent, ""
	p.ID, p.ParentID, p.Tags = s.Account+":"+f.Name, f.Entity, merged(tags, f.Tags)
	return p, nil
}

func (s *Service) sessionARN(resource string) string {
	return "arn:aws:sts::" + s.Account + ":" + resource
}

// merged puts session tags over those of the role or user. Keys that differ only
// in case are one tag, the session's.
func merged(under, over map[string]string) map[string]string {
	if len(over) == 0 {
		return under
	}
	all := maps.Clone(over)
	for key, value := range under {
		if _, ok := lookup(over, key); !ok {
			all[key] = value
		}
	}
	return all
}

// lookup finds a tag, whatever the case of its key.
func lookup(tags map[string]string, key string) (string, bool) {
	if v, ok := tags[key]; ok {
		return v, true
	}
	for k, v := range tags {
		if strings.EqualFold(k, key) {
			return v, true
		}
	}
	return "", false
}
