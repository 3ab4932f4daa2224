package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"slices"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// CreateDomainKey makes a domain key. When the token is lost on the way, it
// looks by id whether the key was made before it tries again.
func (t *Token) CreateDomainKey(ctx context.Context, id string) error {
	if err := need(t.caps, p11.CKM_AES_KEY_GEN); err != nil {
		return err
	}
	if err := t.canWrap(); err != nil {
		return err
	}
	if err := checkID(domainLabel, id); err != nil {
		return err
	}
	_, err := attempt(ctx, t, t.create(ctx, domainLabel, id, aesKeyGen, domainTemplate(id), isDomain))
	return err
}

// create makes a token object, once, however often it is tried.
func (t *Token) create(ctx context.Context, label, id string, m []*p11.Mechanism, tmpl []*p11.Attribute, claims []claim) func(*epoch) (struct{}, error) {
	tried := false // guarded by the keeper's turn, and by attempt making calls in sequence
	return func(e *epoch) (struct{}, error) {
		return struct{}{}, e.keep(ctx, func(s session) error {
			h, found, err := s.lookup(label, id)
			switch {
			case err != nil:
				return err
			case found && !tried:
				return fmt.Errorf("%s %q: %w", label, id, hsm.ErrExists)
			case found:
				return s.verify(h, claims)
			}
			// A token that is gone finds nothing: what it had must not count as made here.
			if err := t.present(e); err != nil {
				return err
			}
			tried = true
			return s.createObject(m, tmpl, claims)
		})
	}
}

// createObject generates a token object that cannot be changed any more, if
// the module goes along. One that came out weaker than asked is not left behind.
func (s session) createObject(m []*p11.Mechanism, tmpl []*p11.Attribute, claims []claim) error {
	h, err := s.generate(m, fixed(tmpl))
	if unfixable(err) {
		h, err = s.generate(m, tmpl)
	}
	if err != nil {
		return err
	}
	if err := s.verify(h, claims); err != nil {
		if lost(err) {
			return err
		}
		if e := s.destroy(h); e != nil {
			return fmt.Errorf("%w; and it could not be destroyed: %w", err, e)
		}
		return err
	}
	return nil
}

// fixed is a template of an object that cannot be changed any more.
func fixed(tmpl []*p11.Attribute) []*p11.Attribute {
	return append(slices.Clone(tmpl), p11.NewAttribute(p11.CKA_MODIFIABLE, false))
}

// unfixable reports whether the module does not know such objects.
func unfixable(err error) bool {
	return is(err, p11.CKR_ATTRIBUTE_TYPE_INVALID, p11.CKR_ATTRIBUTE_VALUE_INVALID,
		p11.CKR_ATTRIBUTE_READ_ONLY, p11.CKR_TEMPLATE_INCONSISTENT)
}

// DomainKeys lists the ids of the domain keys on the token.
func (t *Token) DomainKeys(ctx context.Context) ([]string, error) {
	return attempt(ctx, t, func(e *epoch) (ids []string, err error) {
		err = e.keep(ctx, func(s session) error {
			objects, err := s.find([]*p11.Attribute{
				p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY),
				p11.NewAttribute(p11.CKA_TOKEN, true),
				p11.NewAttribute(p11.CKA_LABEL, domainLabel),
			})
			if err != nil {
				return err
			}
			for _, h := range objects {
				v, err := s.attributes(h, p11.CKA_ID)
				if err != nil {
					return err
				}
				ids = append(ids, string(v[0]))
			}
			if len(ids) == 0 {
				return t.present(e)
			}
			slices.Sort(ids)
			return nil
		})
		return ids, err
	})
}

// domain returns the handle of a domain key, looked up once in an epoch. The
// caller has the keeper.
func (t *Token) domain(e *epoch, s session, id string) (p11.ObjectHandle, error) {
	if h, ok := e.domains[id]; ok {
		return h, nil
	}
	if err := checkID(domainLabel, id); err != nil {
		return 0, err
	}
	h, found, err := s.lookup(domainLabel, id)
	if err != nil {
		return 0, err
	}
	if !found {
		if err := t.present(e); err != nil {
			return 0, err
		}
		return 0, notFound(domainLabel, id)
	}
	if err := s.verify(h, isDomain); err != nil {
		return 0, fmt.Errorf("%s %q: %w", domainLabel, id, err)
	}
	e.domains[id] = h
	return h, nil
}

// present asks whether the token is in its slot still and we are logged in.
// To look for an object does not tell: a token finds nothing, without an
// error, when nobody is logged in, and SoftHSM2 when its directory is gone.
// The caller has the keeper.
func (t *Token) present(e *epoch) error {
	i, err := t.module.GetSessionInfo(e.keeper.h)
	if err != nil {
		return called("C_GetSessionInfo", err)
	}
	if i.State != p11.CKS_RW_USER_FUNCTIONS {
		return called("C_GetSessionInfo", p11.Error(p11.CKR_USER_NOT_LOGGED_IN))
	}
	s, ok, err := read(t.module.Ctx, e.slot)
	if err != nil {
		return err
	}
	if !ok || s.info != t.info {
		return called("C_GetTokenInfo", p11.Error(p11.CKR_TOKEN_NOT_PRESENT))
	}
	return nil
}

// Check makes, wraps, unwraps and destroys a key, having looked for the domain
// key anew: cached handles hide a token that is gone.
func (t *Token) Check(ctx context.Context, domain string) error {
	k := kind{of: hsm.HMACSHA256}
	if err := errors.Join(k.makeable(t.caps), t.canWrap()); err != nil {
		return err
	}
	_, err := attempt(ctx, t, func(e *epoch) (struct{}, error) {
		return struct{}{}, e.keep(ctx, func(s session) error {
			if err := t.present(e); err != nil {
				return err
			}
			delete(e.domains, domain)
			d, err := t.domain(e, s, domain)
			if err != nil {
				return err
			}
			wrapped, err := t.generate(s, d, k)
			if err != nil {
				return err
			}
			h, _, err := t.unwrap(s, d, wrapped, k)
			if err != nil {
				return err
			}
			return s.destroy(h)
		})
	})
	return err
}
