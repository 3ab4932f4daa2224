package command

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// mfaService is what requests to keyd's own operations are signed for, and what
// their targets begin with.
const (
	mfaService = "keyd"
	mfaTarget  = "KeydMFA."
)

// maxMFAAnswer bounds what is read of an answer: a QR code is the longest part.
const maxMFAAnswer = 1 << 20

// mfaAPI calls the operations on MFA devices that AWS does not have. Errors,
// signatures and retries are those of the SDK's clients.
type mfaAPI struct {
	cfg      aws.Config
	endpoint string
	timeout  time.Duration // for one call, its retries included
}

// call sends in, one of mfaapi's inputs, and reads the answer into out, which
// may be nil.
func (m mfaAPI) call(ctx context.Context, operation string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	retryer := m.cfg.Retryer()
	for attempt := 1; ; attempt++ {
		err := m.send(ctx, operation, body, out)
		if err == nil {
			return nil
		}
		err = &smithy.OperationError{ServiceID: "keyd MFA", OperationName: operation, Err: err}
		if attempt >= retryer.MaxAttempts() || !retryer.IsErrorRetryable(err) {
			return err
		}
		pause, cannot := retryer.RetryDelay(attempt, err)
		if cannot != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// send makes one attempt.
func (m mfaAPI) send(ctx context.Context, operation string, body []byte, out any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(m.endpoint, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", mfaTarget+operation)
	credentials, err := m.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), mfaService, m.cfg.Region, time.Now()); err != nil {
		return err
	}
	resp, err := m.cfg.HTTPClient.Do(r)
	if err != nil {
		return &smithyhttp.RequestSendError{Err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := readAtMost(resp.Body, maxMFAAnswer)
	if err != nil {
		return &smithy.DeserializationError{Err: err}
	}
	if resp.StatusCode != http.StatusOK {
		return refused(resp, text)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return &smithy.DeserializationError{Err: fmt.Errorf("answer to %s: not what it should be", operation)}
	}
	return nil
}

// refused is the error that an answer tells, in the form that the SDK gives it.
func refused(resp *http.Response, text []byte) error {
	var told struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(text, &told); err != nil || told.Type == "" {
		return &smithy.DeserializationError{Err: fmt.Errorf("HTTP %d without an error of keyd's", resp.StatusCode)}
	}
	code := told.Type[strings.LastIndex(told.Type, "#")+1:]
	fault := smithy.FaultClient
	if resp.StatusCode >= http.StatusInternalServerError {
		fault = smithy.FaultServer
	}
	return &awshttp.ResponseError{
		RequestID: resp.Header.Get("X-Amzn-RequestId"),
		ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: resp},
			Err:      &smithy.GenericAPIError{Code: code, Message: told.Message, Fault: fault},
		},
	}
}
