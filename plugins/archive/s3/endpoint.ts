import { archiveKeyFault, type Endpoint, PluginError } from '@moorage/contract'

/** A bucket, or a part of one, and who asks. */
export interface S3Endpoint {
  /** `https://HOST[:PORT]`, or `http://`. */
  readonly origin: string
  readonly bucket: string
  /** What all keys begin with: empty, or with `/` at its end. */
  readonly prefix: string
  readonly region: string
  readonly accessKey: string
  readonly secretKey: string
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

/** Reads url and settings. Throws `INVALID` naming what is wrong. */
export function endpointOf({ url, settings }: Endpoint): S3Endpoint {
  const [, scheme, host, bucket] = /^(s3|s3\+http):\/\/([^/@?#]+)\/([^/?#]+)\/?$/.exec(url) ?? []
  if (host === undefined || bucket === undefined || !URL.canParse(`https://${host}`)) {
    throw invalid('url: must read s3://HOST[:PORT]/BUCKET, or s3+http:// without TLS')
  }
  if (!BUCKET.test(bucket)) throw invalid('url: names no bucket')
  const prefix = settings['prefix'] ?? ''
  if (prefix !== '' && archiveKeyFault(prefix) !== undefined) throw invalid('prefix: is no beginning of keys')
  return {
    origin: `${scheme === 's3' ? 'https' : 'http'}://${host}`,
    bucket,
    prefix: prefix === '' ? '' : `${prefix}/`,
    region: settings['region'] ?? 'us-east-1',
    accessKey: required(settings, 'accesskey'),
    secretKey: required(settings, 'secretkey'),
  }
}

function required(settings: Endpoint['settings'], name: string): string {
  const value = settings[name]
  if (value === undefined || value === '') throw invalid(`${name}: is required`)
  return value
}

function invalid(message: string): PluginError {
  return new PluginError('INVALID', message, 'none')
}
