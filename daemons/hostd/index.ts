export { serveHostd, type ServedHostd, type ServeOptions } from './serve.ts'
