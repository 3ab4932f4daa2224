package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/kms"
)

func kmsStoreRoutes() []*route {
	return []*route{
		preparing(change(kmsOp("CreateCustomKeyStore"), levelWrite,
			onNothing[kmsapi.CreateCustomKeyStoreRequest]("kms:CreateCustomKeyStore"), createStore), draftStore),
		query(kmsOp("DescribeCustomKeyStores"), levelRead,
			onNothing[kmsapi.DescribeCustomKeyStoresRequest]("kms:DescribeCustomKeyStores"), describeStores),
		preparing(change(kmsOp("UpdateCustomKeyStore"), levelWrite,
			onNothing[kmsapi.UpdateCustomKeyStoreRequest]("kms:UpdateCustomKeyStore"), updateStore), draftStoreUpdate),
		change(kmsOp("DeleteCustomKeyStore"), levelWrite,
			onNothing[kmsapi.DeleteCustomKeyStoreRequest]("kms:DeleteCustomKeyStore"), deleteStore),
		preparing(change(kmsOp("ConnectCustomKeyStore"), levelWrite,
			onNothing[kmsapi.ConnectCustomKeyStoreRequest]("kms:ConnectCustomKeyStore"), storeConnected), connectStore),
		change(kmsOp("DisconnectCustomKeyStore"), levelWrite,
			onNothing[kmsapi.DisconnectCustomKeyStoreRequest]("kms:DisconnectCustomKeyStore"), disconnectStore),
	}
}

// storeWork is what prepare did for a change of a custom key store.
type storeWork struct {
	draft      *kms.CustomStore
	connection *kms.Connection
}

func missingMember(name string) error {
	return &kms.Error{Code: kms.CodeValidation, Message: name + " is required for a custom key store of type AWS_CLOUDHSM."}
}

var errNoXks = &kms.Error{
	Code:    kms.CodeUnsupportedOperation,
	Message: "External key stores (EXTERNAL_KEY_STORE) are not supported by keyd: name a token of its configuration as an AWS_CLOUDHSM key store.",
}

// draftStore seals the password before the transaction.
func draftStore(s *Server, c *call, in *kmsapi.CreateCustomKeyStoreRequest) (err error) {
	switch {
	case in.CustomKeyStoreType != nil && *in.CustomKeyStoreType != kmsapi.CustomKeyStoreTypeAwsCloudhsm,
		in.XksProxyUriEndpoint != nil, in.XksProxyUriPath != nil, in.XksProxyVpcEndpointServiceName != nil,
		in.XksProxyVpcEndpointServiceOwner != nil, in.XksProxyAuthenticationCredential != nil, in.XksProxyConnectivity != nil:
		return errNoXks
	case in.CloudHsmClusterId == nil:
		return missingMember("CloudHsmClusterId")
	case in.KeyStorePassword == nil:
		return missingMember("KeyStorePassword")
	}
	c.storeWork.draft, err = s.KMS.DraftStore(c.ctx, kms.NewStore{
		Region: c.region, Name: *in.CustomKeyStoreName, Cluster: *in.CloudHsmClusterId,
		TrustAnchor: api.Value(in.TrustAnchorCertificate), Password: string(*in.KeyStorePassword),
	})
	return err
}

func createStore(s *Server, c *call, tx kms.Tx, _ *kmsapi.CreateCustomKeyStoreRequest) (*kmsapi.CreateCustomKeyStoreResponse, error) {
	st := c.storeWork.draft
	return &kmsapi.CreateCustomKeyStoreResponse{CustomKeyStoreId: &st.ID}, s.KMS.CreateStore(tx, st)
}

func describeStores(s *Server, c *call, in *kmsapi.DescribeCustomKeyStoresRequest) (*kmsapi.DescribeCustomKeyStoresResponse, error) {
	var stores []*kms.CustomStore
	var next string
	var err error
	switch {
	case in.CustomKeyStoreId != nil && in.CustomKeyStoreName != nil:
		err = &kms.Error{Code: kms.CodeValidation, Message: "You can specify either CustomKeyStoreId or CustomKeyStoreName, but not both."}
	case in.CustomKeyStoreId != nil:
		var st *kms.CustomStore
		st, err = s.KMS.CustomStore(c.ctx, nil, c.region, *in.CustomKeyStoreId)
		stores = append(stores, st)
	case in.CustomKeyStoreName != nil:
		var st *kms.CustomStore
		st, err = s.KMS.StoreNamed(c.ctx, c.region, *in.CustomKeyStoreName)
		stores = append(stores, st)
	default:
		stores, next, err = s.KMS.ListStores(c.ctx, c.region, page(in.Limit, in.Marker, 100))
	}
	if err != nil {
		return nil, err
	}
	out := &kmsapi.DescribeCustomKeyStoresResponse{CustomKeyStores: make([]kmsapi.CustomKeyStoresListEntry, len(stores))}
	for i, st := range stores {
		out.CustomKeyStores[i] = storeEntry(s, st)
	}
	out.NextMarker, out.Truncated = nextPage(next)
	return out, nil
}

func storeEntry(s *Server, st *kms.CustomStore) kmsapi.CustomKeyStoresListEntry {
	e := kmsapi.CustomKeyStoresListEntry{
		CustomKeyStoreId: &st.ID, CustomKeyStoreName: &st.Name, CloudHsmClusterId: &st.Cluster,
		ConnectionState: new(kmsapi.ConnectionStateType(s.KMS.StateOf(st))), CreationDate: api.At(st.Created),
		CustomKeyStoreType: new(kmsapi.CustomKeyStoreTypeAwsCloudhsm),
	}
	if st.TrustAnchor != "" {
		e.TrustAnchorCertificate = &st.TrustAnchor
	}
	if st.Failure != "" {
		e.ConnectionErrorCode = new(kmsapi.ConnectionErrorCodeType(st.Failure))
	}
	return e
}

// draftStoreUpdate does what needs a token, before the transaction.
func draftStoreUpdate(s *Server, c *call, in *kmsapi.UpdateCustomKeyStoreRequest) error {
	switch {
	case in.XksProxyUriEndpoint != nil, in.XksProxyUriPath != nil, in.XksProxyVpcEndpointServiceName != nil,
		in.XksProxyVpcEndpointServiceOwner != nil, in.XksProxyAuthenticationCredential != nil, in.XksProxyConnectivity != nil:
		return errNoXks
	case in.NewCustomKeyStoreName == nil && in.KeyStorePassword == nil && in.CloudHsmClusterId == nil:
		return &kms.Error{Code: kms.CodeValidation, Message: "Specify NewCustomKeyStoreName, KeyStorePassword or CloudHsmClusterId."}
	}
	st, err := s.KMS.CustomStore(c.ctx, nil, c.region, *in.CustomKeyStoreId)
	if err != nil {
		return err
	}
	c.storeWork.draft, err = s.KMS.DraftUpdate(c.ctx, st, kms.StoreChange{
		Name: in.NewCustomKeyStoreName, Cluster: in.CloudHsmClusterId, Password: (*string)(in.KeyStorePassword),
	})
	return err
}

func updateStore(s *Server, c *call, tx kms.Tx, in *kmsapi.UpdateCustomKeyStoreRequest) (*kmsapi.UpdateCustomKeyStoreResponse, error) {
	st, err := s.KMS.CustomStore(c.ctx, tx, c.region, *in.CustomKeyStoreId)
	if err != nil {
		return nil, err
	}
	return &kmsapi.UpdateCustomKeyStoreResponse{}, s.KMS.UpdateStore(tx, st, c.storeWork.draft)
}

func deleteStore(s *Server, c *call, tx kms.Tx, in *kmsapi.DeleteCustomKeyStoreRequest) (*kmsapi.DeleteCustomKeyStoreResponse, error) {
	st, err := s.KMS.CustomStore(c.ctx, tx, c.region, *in.CustomKeyStoreId)
	if err != nil {
		return nil, err
	}
	return &kmsapi.DeleteCustomKeyStoreResponse{}, s.KMS.DeleteStore(tx, st)
}

// connectStore logs in to the token before the transaction. AWS takes minutes for
// that and answers before; here it is done when the answer comes.
func connectStore(s *Server, c *call, in *kmsapi.ConnectCustomKeyStoreRequest) error {
	st, err := s.KMS.CustomStore(c.ctx, nil, c.region, *in.CustomKeyStoreId)
	if err != nil {
		return err
	}
	connection, err := s.KMS.Connect(c.ctx, st)
	if err != nil {
		return err
	}
	c.storeWork.connection = connection
	c.undo = func() { s.storeFailure(st, connection.Drop()) }
	c.done = func() { s.storeFailure(st, s.KMS.Attach(c.ctx, connection)) }
	return nil
}

func storeConnected(s *Server, c *call, tx kms.Tx, in *kmsapi.ConnectCustomKeyStoreRequest) (*kmsapi.ConnectCustomKeyStoreResponse, error) {
	st, err := s.KMS.CustomStore(c.ctx, tx, c.region, *in.CustomKeyStoreId)
	if err != nil {
		return nil, err
	}
	return &kmsapi.ConnectCustomKeyStoreResponse{}, s.KMS.Connected(tx, st, c.storeWork.connection)
}

func disconnectStore(s *Server, c *call, tx kms.Tx, in *kmsapi.DisconnectCustomKeyStoreRequest) (*kmsapi.DisconnectCustomKeyStoreResponse, error) {
	st, err := s.KMS.CustomStore(c.ctx, tx, c.region, *in.CustomKeyStoreId)
	if err != nil {
		return nil, err
	}
	c.done = func() { s.storeFailure(st, s.KMS.Detach(st)) }
	return &kmsapi.DisconnectCustomKeyStoreResponse{}, s.KMS.DisconnectStore(tx, st)
}

// storeFailure tells of what went wrong with a token after its change was made or
// given up.
func (s *Server) storeFailure(st *kms.CustomStore, err error) {
	if err != nil {
		s.Logger.Error("custom key store", "store", st.ID, "cluster", st.Cluster, "error", err)
	}
}

// inStore finds the custom key store that a new key goes into; nil for none.
func (s *Server) inStore(c *call, in *kmsapi.CreateKeyRequest) (*kms.CustomStore, error) {
	isOrigin := string(api.Value(in.Origin)) == kms.OriginCloudHSM
	switch {
	case isOrigin && in.CustomKeyStoreId == nil:
		return nil, &kms.Error{Code: kms.CodeValidation, Message: "CustomKeyStoreId is required for Origin AWS_CLOUDHSM."}
	case !isOrigin && in.CustomKeyStoreId != nil:
		return nil, &kms.Error{Code: kms.CodeValidation, Message: "A key in a custom key store has Origin AWS_CLOUDHSM."}
	case !isOrigin:
		return nil, nil
	}
	return s.KMS.StoreForKey(c.ctx, c.region, *in.CustomKeyStoreId)
}

// fromStore has GenerateRandom check the custom key store that it names, after the
// gate, and again before its answer is released.
func fromStore(r *route) *route {
	admit := r.admit
	r.admit = func(s *Server, c *call, tx kms.Tx) error {
		if err := admit(s, c, tx); err != nil {
			return err
		}
		id := c.in.(*kmsapi.GenerateRandomRequest).CustomKeyStoreId
		if id == nil {
			return nil
		}
		_, err := s.KMS.StoreForKey(c.ctx, c.region, *id)
		return err
	}
	return r
}
