package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// An operation is one kind of request.
type operation struct {
	name string
	keyd *daemon
	call func(context.Context, *kms.Client) error
	// answer is how many bytes the body of keyd's answer has.
	answer int
}

// operations makes a key and says what is asked of keyd with it. Messages are
// of a data key's size, with an encryption context of one pair.
func operations(ctx context.Context, d *daemon) ([]operation, error) {
	key, err := d.client(nil).CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		return nil, err
	}
	id, about := key.KeyMetadata.KeyId, map[string]string{"purpose": "bench"}
	message := make([]byte, 32)
	sealed, err := d.client(nil).Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: message, EncryptionContext: about})
	if err != nil {
		return nil, err
	}
	ops := []operation{
		{name: "Encrypt", call: func(ctx context.Context, c *kms.Client) error {
			_, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: message, EncryptionContext: about})
			return err
		}},
		{name: "Decrypt", call: func(ctx context.Context, c *kms.Client) error {
			_, err := c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: about})
			return err
		}},
		{name: "GenerateDataKey", call: func(ctx context.Context, c *kms.Client) error {
			_, err := c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: id, KeySpec: types.DataKeySpecAes256, EncryptionContext: about})
			return err
		}},
	}
	for i := range ops {
		ops[i].keyd = d
		if ops[i].answer, err = ops[i].measure(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", ops[i].name, err)
		}
	}
	return ops, nil
}

// measure makes the call once and returns the length of the answer.
func (o operation) measure(ctx context.Context) (n int, err error) {
	err = o.call(ctx, o.keyd.client(func(r *http.Request) (*http.Response, error) {
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			n = int(answer.ContentLength)
		}
		return answer, err
	}))
	return n, err
}

// request is what AWS's client sends, signed now, byte for byte.
func (o operation) request(ctx context.Context) ([]byte, error) { return o.capture(ctx, "/") }

// floorRequest is the same request with another path, which tells the floor how
// much to answer.
func (o operation) floorRequest(ctx context.Context) ([]byte, error) {
	return o.capture(ctx, fmt.Sprintf("/%d", o.answer))
}

var errCaptured = errors.New("captured, not sent")

func (o operation) capture(ctx context.Context, path string) ([]byte, error) {
	var b bytes.Buffer
	err := o.call(ctx, o.keyd.client(func(r *http.Request) (*http.Response, error) {
		r.URL.Path = path // the floor checks no signature
		if err := r.Write(&b); err != nil {
			return nil, err
		}
		return nil, errCaptured
	}))
	if !errors.Is(err, errCaptured) {
		return nil, fmt.Errorf("request not captured: %w", err)
	}
	if !strings.HasPrefix(b.String(), "POST "+path+" HTTP/1.1\r\n") {
		return nil, fmt.Errorf("captured no request: %.40q", b.String())
	}
	return b.Bytes(), nil
}

// transport is an HTTP client made of a function.
type transport func(*http.Request) (*http.Response, error)

// Do implements the SDK's HTTPClient.
func (t transport) Do(r *http.Request) (*http.Response, error) { return t(r) }
