package wire_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/api/stsapi"
	"github.com/keyd-hsm/keyd/api/trailapi"
	"github.com/keyd-hsm/keyd/server/wire"
)

// peer answers one SDK call at a time: it decodes the request, and encodes a
// response with every member filled.
type peer struct {
	mu   sync.Mutex
	op   api.Operation
	in   any
	out  any
	fail error
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = p.answer(w, body, r.Header.Get("X-Amz-Target"))
	}
	if err != nil {
		p.fail = err
		w.WriteHeader(http.StatusTeapot)
	}
}

func (p *peer) answer(w io.Writer, body []byte, target string) error {
	var answer []byte
	if p.op.Service.Protocol == api.JSON {
		if err := routed(p.op, target); err != nil {
			return err
		}
		if err := wire.DecodeJSON(body, p.in); err != nil {
			return err
		}
		var err error
		if answer, err = wire.EncodeJSON(p.out); err != nil {
			return err
		}
	} else {
		form, err := wire.ParseForm(body)
		if err != nil {
			return err
		}
		if form.Action() != p.op.Name || form.Version() != p.op.Service.APIVersion {
			return fmt.Errorf("action %q, version %q", form.Action(), form.Version())
		}
		if err := form.Decode(p.in); err != nil {
			return err
		}
		if answer, err = wire.EncodeXML(p.op, "request-1", p.out); err != nil {
			return err
		}
	}
	_, err := w.Write(answer)
	return err
}

// routed checks that a target names op.
func routed(op api.Operation, target string) error {
	for _, prefix := range op.Service.Targets {
		if target == prefix+"."+op.Name {
			return nil
		}
	}
	return fmt.Errorf("target %q is not %s", target, op.Name)
}

// whole reads an answer to its end before the SDK sees it. smithy-go 1.28.8
// closes the request body as soon as an answer begins, and its closed body fails
// net/http's check for a longer one, which closes the connection: an answer that
// comes fast and in several packets is lost now and then.
type whole struct{ http.RoundTripper }

func (w whole) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, err
}

// TestSDK calls every operation of every model with the AWS SDK for Go, all
// members filled. What the SDK sent must be what is decoded, and what is
// encoded must be what the SDK returns.
func TestSDK(t *testing.T) {
	p := &peer{}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	config := aws.Config{
		Region:       "local-1",
		BaseEndpoint: aws.String(server.URL),
		Credentials:  credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		HTTPClient:   &http.Client{Transport: whole{server.Client().Transport}},
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}
	for _, c := range []struct {
		service *api.Service
		client  any
	}{
		{kmsapi.Service, kms.NewFromConfig(config)},
		{stsapi.Service, sts.NewFromConfig(config)},
		{iamapi.Service, iam.NewFromConfig(config)},
		{trailapi.Service, cloudtrail.NewFromConfig(config)},
	} {
		for _, op := range c.service.Operations {
			t.Run(c.service.ID+"/"+op.Name, func(t *testing.T) { callSDK(t, p, op, c.client) })
		}
	}
}

func callSDK(t *testing.T, p *peer, op api.Operation, client any) {
	method := reflect.ValueOf(client).MethodByName(op.Name)
	if !method.IsValid() {
		t.Fatal("the SDK has no such operation")
	}
	sent := reflect.New(method.Type().In(1).Elem())
	fill(sent.Elem(), 0)
	p.op, p.in, p.out, p.fail = op, op.New(), nil, nil
	if op.NewOutput != nil {
		p.out = op.NewOutput()
		fill(reflect.ValueOf(p.out).Elem(), 0)
	}
	results := method.Call([]reflect.Value{reflect.ValueOf(context.Background()), sent})
	if p.fail != nil {
		t.Fatal(p.fail)
	}
	if err, _ := results[1].Interface().(error); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plain(sent), plain(reflect.ValueOf(p.in))); diff != "" {
		t.Errorf("input, - as the SDK sent it, + as decoded:\n%s", diff)
	}
	if p.out == nil {
		return
	}
	if diff := cmp.Diff(plain(reflect.ValueOf(p.out)), plain(results[0])); diff != "" {
		t.Errorf("output, - as encoded, + as the SDK returned it:\n%s", diff)
	}
}

// newer are fields of the SDK that the models have no member for.
var newer = map[string]bool{
	"ResultMetadata":                     true, // not on the wire
	"MinimumSessionTokenSize":            true,
	"SessionTokenSize":                   true,
	"SessionTokenUtilization":            true,
	"SourceRoleTemplate":                 true,
	"OrderedOrganizationPolicyInputList": true,
	"PolicyExclusionList":                true,
}

var sampleTime = time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)

// fill sets everything in v, some levels deep, to values that are easily
// damaged on the way.
func fill(v reflect.Value, depth int) {
	switch t := v.Type(); {
	case t == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(sampleTime))
	case t == reflect.TypeFor[api.Timestamp]():
		v.Set(reflect.ValueOf(*api.At(sampleTime)))
	case v.Kind() == reflect.String:
		v.SetString("a <b> & \"c\" 'd' é 𝄞 +%2F\r\n\t\\ ]]>")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(2147483647)
	case v.CanFloat():
		v.SetFloat(0.25)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		v.SetBytes([]byte{0, 0xFB, 0xFF, '\n'})
	case depth > 12: // a few shapes hold themselves
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		fill(v.Elem(), depth)
	case v.Kind() == reflect.Slice:
		n := 1
		if depth < 2 {
			n = 11 // two digits, so that order shows
		}
		v.Set(reflect.MakeSlice(t, n, n))
		for i := range n {
			fill(v.Index(i), depth+1)
		}
	case v.Kind() == reflect.Map:
		key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		fill(key, depth+1)
		fill(value, depth+1)
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(key, value)
	case v.Kind() == reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && !newer[f.Name] {
				fill(v.Field(i), depth+1)
			}
		}
	}
}

// plain turns a structure of either side into maps, lists and scalars that can
// be compared. Names are compared without case, absent is nil.
func plain(v reflect.Value) any {
	switch t := v.Type(); {
	case t == reflect.TypeFor[time.Time]():
		return v.Interface().(time.Time).UnixMilli()
	case t == reflect.TypeFor[api.Timestamp]():
		return v.Interface().(api.Timestamp).UnixMilli()
	case v.Kind() == reflect.String:
		return v.String()
	case v.Kind() == reflect.Bool:
		return v.Bool()
	case v.CanInt():
		return v.Int()
	case v.CanFloat():
		return v.Float()
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return string(v.Bytes())
	case v.Kind() == reflect.Slice:
		list := []any{}
		for i := range v.Len() {
			list = append(list, plain(v.Index(i)))
		}
		return list
	case v.Kind() == reflect.Map:
		m := map[string]any{}
		for _, k := range v.MapKeys() {
			m[k.String()] = plain(v.MapIndex(k))
		}
		return m
	}
	m := map[string]any{}
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && !newer[f.Name] {
			m[strings.ToLower(f.Name)] = plain(v.Field(i))
		}
	}
	return m
}
