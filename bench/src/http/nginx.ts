import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../ephemeral-redis.ts'
import { type Core, spawnOn } from './cores.ts'
import { FEW, FEW_KEY, LARGE, LOAD_KEY, MANY, SMALL } from './payloads.ts'

export interface Nginx {
  readonly port: number
  /** Of its only worker. */
  readonly pid: number
  readonly stop: () => void
}

export function nginxVersion(): string | undefined {
  try {
    // It says so on stderr.
    const said = execFileSync('sh', ['-c', 'nginx -v 2>&1'], { encoding: 'utf8' })
    return /nginx\/([\d.]+)/.exec(said)?.[1]
  } catch {
    return undefined
  }
}

/** Static answers; `/echo` is what the process behind it says. */
export function upstreamNginx(echoPort: number): Promise<Nginx> {
  return start('load', (port, folder) => {
    writeFileSync(path.join(folder, 'large.bin'), LARGE)
    return `
    open_file_cache max=10 inactive=1h;
    server {
      listen 127.0.0.1:${port} backlog=4096;
      add_header X-Upstream bench;
      default_type application/json;
      location = /small.json { return 200 '${SMALL}'; }
      location = /post { return 200 '${SMALL}'; }
      location = /large.bin { default_type application/octet-stream; alias ${folder}/large.bin; }
      location = /echo { proxy_pass http://127.0.0.1:${echoPort}; proxy_set_header Host $http_host; }
    }`
  })
}

/** A reverse proxy with what its documentation says about keep-alive upstreams. */
export function proxyNginx(upstream: URL, guarded: boolean): Promise<Nginx> {
  const zones = `
    map $http_authorization $key { default ""; ${LOAD_KEY} load; ${FEW_KEY} few; }
    map $key $many_key { default ""; load load; }
    map $key $few_key { default ""; few few; }
    limit_req_zone $many_key zone=many:10m rate=${MANY}r/s;
    limit_req_zone $few_key zone=few:10m rate=${FEW}r/m;
    limit_req_status 429;`
  const checks = `
        if ($key = "") { return 401; }
        limit_req zone=many burst=10000 nodelay;
        limit_req zone=few burst=${FEW - 1} nodelay;`
  return start(
    'contestant',
    (port) => `${guarded ? zones : ''}
    upstream backend {
      server ${upstream.host};
      keepalive 8192;
      keepalive_requests 1000000000;
      keepalive_timeout 600s;
    }
    server {
      listen 127.0.0.1:${port} backlog=4096;
      location / {${guarded ? checks : ''}
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_pass http://backend;
      }
    }`,
  )
}

async function start(core: Core, http: (port: number, folder: string) => string): Promise<Nginx> {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-bench-'))
  // Started by root, its worker is somebody else.
  chmodSync(folder, 0o755)
  const port = await freePort()
  const config = path.join(folder, 'nginx.conf')
  writeFileSync(
    config,
    `worker_processes 1;
  daemon off;
  pid ${folder}/nginx.pid;
  error_log ${folder}/error.log crit;
  worker_rlimit_nofile 20000;
  events { worker_connections 15000; }
  http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    server_tokens off;
    client_body_temp_path ${folder}/body;
    proxy_temp_path ${folder}/proxy;
    fastcgi_temp_path ${folder}/fastcgi;
    uwsgi_temp_path ${folder}/uwsgi;
    scgi_temp_path ${folder}/scgi;
    ${http(port, folder)}
  }
`,
  )
  const child = spawnOn(core, 'nginx', ['-e', `${folder}/error.log`, '-c', config], { stdio: 'ignore' })
  const stop = (): void => {
    process.off('exit', stop)
    child.kill('SIGTERM')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', stop)
  await accepting(port)
  return { port, pid: await workerOf(child.pid ?? 0), stop }
}

/** It listens before its worker is there. */
async function workerOf(pid: number): Promise<number> {
  for (const deadline = Date.now() + 10_000; ; await sleep(5)) {
    const worker = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0])
    if (worker > 0) return worker
    if (Date.now() > deadline) throw new Error('nginx has no worker')
  }
}

async function accepting(port: number): Promise<void> {
  for (const deadline = Date.now() + 10_000; ; await sleep(5)) {
    const ok = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => resolve(false))
    })
    if (ok) return
    if (Date.now() > deadline) throw new Error(`nginx did not come up on port ${port}`)
  }
}
