# A second reader of the format, written from its description alone and for nothing but tests: it has read repositories that
# Kopia itself wrote. It knows the hash BLAKE2B-256-128, no error correction, and needs the package `cryptography` and the
# program zstd. Every content is decrypted and hashed; files of all snapshots are listed with the hash of their bytes.
import os,sys,json,base64,hashlib,hmac,struct,gzip,zlib,subprocess,time,secrets
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
def hkdf(ikm,salt,info,n=32):
    prk=hmac.new(salt or b'\0'*32,ikm,hashlib.sha256).digest()
    out=b'';t=b'';i=1
    while len(out)<n:
        t=hmac.new(prk,t+info+bytes([i]),hashlib.sha256).digest();out+=t;i+=1
    return out[:n]
class FS:
    def __init__(s,root):
        s.root=root;s.blobs={}
        for d,_,fs in os.walk(root):
            for f in fs:
                if f.endswith('.f'):
                    p=os.path.join(d,f);rel=os.path.relpath(p,root)[:-2].replace('/','')
                    s.blobs[rel]=p
    def get(s,i): return open(s.blobs[i],'rb').read()
    def put(s,i,b):
        if len(i)<=20: p=os.path.join(s.root,i+'.f')
        else: p=os.path.join(s.root,i[:1],i[1:4],i[4:]+'.f')
        os.makedirs(os.path.dirname(p),exist_ok=True)
        open(p,'wb').write(b);s.blobs[i]=p
class Repo:
    def __init__(r,root,pw=b'static-passw0rd'):
        r.st=FS(root);j=json.loads(r.st.get('kopia.repository'))
        r.j=j;r.uid=base64.b64decode(j['uniqueID'])
        if j['keyAlgo']=='scrypt-65536-8-1': r.key=hashlib.scrypt(pw,salt=r.uid,n=65536,r=8,p=1,maxmem=1<<28,dklen=32)
        else: r.key=hashlib.pbkdf2_hmac('sha256',pw,r.uid,600000,32)
        r.fmt=json.loads(r.fdec(base64.b64decode(j['encryptedBlockFormat'])))['format']
        if 'kopia.blobcfg' in r.st.blobs: r.blobcfg=r.fdec(r.st.get('kopia.blobcfg'))
        f=r.fmt;r.hsec=base64.b64decode(f.get('secret',''));r.master=base64.b64decode(f['masterKey'])
        r.esec=hkdf(r.master,b'encryption',b'')
        r.load()
    def fdec(r,b):
        k=hkdf(r.key,r.uid,b'AES');a=hkdf(r.key,r.uid,b'CHECKSUM')
        return AESGCM(k).decrypt(b[:12],b[12:],a)
    def H(r,d):
        assert r.fmt['hash']=='BLAKE2B-256-128'
        return hashlib.blake2b(d,key=r.hsec,digest_size=32).digest()[:16]
    def aead(r,iv):
        k=hmac.new(r.esec,iv,hashlib.sha256).digest()
        return AESGCM(k) if r.fmt['encryption'].startswith('AES256') else ChaCha20Poly1305(k)
    def dec(r,b,iv): return r.aead(iv).decrypt(b[:12],b[12:],iv)
    def enc(r,d,iv):
        n=secrets.token_bytes(12);return n+r.aead(iv).encrypt(n,d,iv)
    def blobiv(r,i): return bytes.fromhex(i.split('-')[0][-32:])
    def bdec(r,i):
        iv=r.blobiv(i);p=r.dec(r.st.get(i),iv)
        assert r.H(p)==iv,i
        return p
    def load(r):
        r.idx={}
        bl=sorted(r.st.blobs)
        em=r.fmt.get('epochParameters',{}).get('Enabled')
        if not em: use=[b for b in bl if b.startswith('n')]
        else:
            we=max([int(b[2:]) for b in bl if b.startswith('xe')]+[0])
            def full(prefix):
                sess={}
                for b in bl:
                    if b.startswith(prefix):
                        p=b.split('-');c=int(p[-1][1:]);sess.setdefault((p[-2]),[]).append(b)
                        cnt=c
                for s,l in sess.items():
                    if len(l)==int(l[0].split('-')[-1][1:]): return l
            use=[];start=0
            # range
            best=None
            xr={}
            for b in bl:
                if b.startswith('xr'):
                    a,z=b[2:].split('_')[:2];xr.setdefault(int(a),[]).append(int(z))
            while start in xr:
                z=max(xr[start]);l=full('xr%d_%d_'%(start,z))
                if not l: break
                use+=l;start=z+1
            for e in range(start,we+2):
                l=full('xs%d_'%e) if e<=we-2 else None
                use+= l or [b for b in bl if b.startswith('xn%d_'%e)]
            r.we=we
        r.used=use
        r.dropped=max([int(b[2:]) for b in bl if b.startswith('xw')]+[-1])
        for b in use:
            r.parse(r.bdec(b),b)
        r.idx={c:d for c,d in r.idx.items() if not (d['dele'] and d['ts']<=r.dropped)}
    def parse(r,p,src):
        if p[0]==1:
            _,ks,es,n=struct.unpack('>BBHI',p[:8]);assert es==20
            for k in range(n):
                o=8+k*(ks+es);key=p[o:o+ks];e=p[o+ks:o+ks+es]
                ts=int.from_bytes(e[:6],'big');fv=e[6];nl=e[7];no,po,pl=struct.unpack('>III',e[8:20])
                r.add(key,dict(ts=ts,pack=p[no:no+nl].decode(),off=po&0x7fffffff,dele=bool(po>>31),plen=pl,olen=pl-28,comp=0,fv=fv,src=src))
        else:
            v,ks,es,n,np,nf,base=struct.unpack('>BBHIIBI',p[:17]);assert v==2
            pt=17+n*(ks+es);ft=pt+5*np
            packs=[]
            for i in range(np):
                l,o=struct.unpack('>BI',p[pt+5*i:pt+5*i+5]);packs.append(p[o:o+l].decode())
            fm=[struct.unpack('>IBB',p[ft+6*i:ft+6*i+6]) for i in range(nf)]
            for k in range(n):
                o=17+k*(ks+es);key=p[o:o+ks];e=p[o+ks:o+ks+es]+b'\0'*3
                ts,po=struct.unpack('>II',e[:8]);ol=int.from_bytes(e[8:11],'big');pl=int.from_bytes(e[11:14],'big')
                pi=int.from_bytes(e[14:16],'big');fi=e[16] if es>16 else 0
                if es>17: pi|=e[17]<<16
                if es>18: ol|=(e[18]>>4)<<24;pl|=(e[18]&15)<<24
                r.add(key,dict(ts=ts+base,pack=packs[pi],off=po&0x3fffffff,dele=bool(po>>31),olen=ol,plen=pl,comp=fm[fi][0],fv=fm[fi][1],src=src))
    def add(r,key,d):
        cid=(chr(key[0]) if key[0] else '')+key[1:].hex()
        o=r.idx.get(cid)
        if o is None or (d['ts'],not d['dele'],d['pack'])>(o['ts'],not o['dele'],o['pack']): r.idx[cid]=d
    def content(r,cid):
        d=r.idx[cid];b=r.st.get(d['pack'])[d['off']:d['off']+d['plen']]
        h=bytes.fromhex(cid[len(cid)%2:]);p=r.dec(b,h[-16:])
        if d['comp']:
            hd=struct.unpack('>I',p[:4])[0];assert hd==d['comp']
            p=decomp(p)
        assert len(p)==d['olen'] and r.H(p)==h
        return p
    def obj(r,o):
        if o[0]=='I':
            j=json.loads(r.obj(o[1:]));assert j['stream']=='kopia:indirect'
            out=b''
            for e in j['entries']:
                assert e.get('s',0)==len(out);c=r.obj(e['o']);assert len(c)==e.get('l',0);out+=c
            return out
        if o[0]=='Z': return decomp(r.content(o[1:]))
        return r.content(o)
    def manifests(r):
        m={}
        for c in r.idx:
            if c[0]=='m' and not r.idx[c]['dele']:
                for e in json.loads(gzip.decompress(r.content(c)))['entries']:
                    if e['id'] not in m or e['modified']>m[e['id']]['modified']: m[e['id']]=e
        return {k:v for k,v in m.items() if not v.get('deleted')}
def decomp(p):
    h=struct.unpack('>I',p[:4])[0];b=p[4:]
    if h>>8==0x10: return gzip.decompress(b)
    if h>>8==0x11: return subprocess.run(['zstd','-dc'],input=b,stdout=subprocess.PIPE,check=True).stdout
    if h>>8==0x15: return zlib.decompressobj(-15).decompress(b)
    raise Exception(hex(h))
def postamble(b):
    n=b[-1];pa=b[-1-n:-1];crc=struct.unpack('>I',pa[-4:])[0];assert zlib.crc32(pa[:-4])==crc
    def uv(o):
        s=v=0
        while 1:
            c=pa[o];v|=(c&127)<<s;s+=7;o+=1
            if c<128:return v,o
    ver,o=uv(0);assert ver==1
    l,o=uv(o);iv=pa[o:o+l];o+=l;off,o=uv(o);ln,o=uv(o)
    return iv,off,ln
if __name__=='__main__':
    r=Repo(sys.argv[1]);print('format',json.dumps(r.fmt));print('blobcfg',getattr(r,'blobcfg',None))
    for c in sorted(r.idx):
        d=r.idx[c];p=r.content(c)
    print(len(r.idx),'contents verified; index blobs used:',len(r.used))
    if len(r.used)<30: print(r.used)
    for k,m in r.manifests().items():
        print('M',k,m['labels'].get('type'))
        if m['labels']['type']=='snapshot':
            def walk(o,p):
                d=json.loads(r.obj(o))
                for e in d['entries'] or []:
                    if e['type']=='d': walk(e['obj'],p+e['name']+'/')
                    else: print('   ',p+e['name'],e.get('size',0),len(r.obj(e['obj'])),hashlib.sha256(r.obj(e['obj'])).hexdigest()[:12])
            walk(m['data']['rootEntry']['obj'],'/')
    for b in r.st.blobs:
        if b[0] in 'pq':
            x=r.st.get(b);iv,off,ln=postamble(x)
            li=r.dec(x[off:off+ln],iv[-16:]); assert r.H(li)==iv
            assert off%4096==0 or True
            print('pack',b,len(x),'index at',off,ln,'ver',li[0],'aligned',off%4096)
        if b.startswith('_log'):
            t=gzip.decompress(r.bdec(b))
    if 'kopia.maintenance' in r.st.blobs:
        x=r.st.get('kopia.maintenance');k=hkdf(r.master,r.uid,b'maintenance schedule')
        print('maint',AESGCM(k).decrypt(x[:12],x[12:],b'maintenance')[:80])
